//! How authors are delivered.

use std::collections::HashMap;
use std::sync::Arc;

use model::{DeliveryRules, DeliveryState, RulesInForce, Strategy, Subject, Thresholds, UserId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension};

use crate::sql;

/// The column of [`Subject::Everyone`]; accounts are numbered from 1.
const EVERYONE: i64 = 0;

pub(super) fn load(connection: &Connection) -> rusqlite::Result<Option<DeliveryRules>> {
    let transaction = connection.unchecked_transaction()?;
    let found: Option<(String, i64, i64, i64)> = transaction
        .prepare_cached("SELECT strategy, pull_threshold, push_threshold, version FROM rules")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((strategy, pull, push, version)) = found else {
        return Ok(None);
    };
    let strategy: Strategy = strategy.parse().map_err(|error| unreadable(0, error))?;
    let thresholds = Thresholds::new(sql::number(pull), sql::number(push)).map_err(|error| unreadable(1, error))?;
    let mut rules = DeliveryRules {
        version: sql::number(version),
        in_force: RulesInForce { strategy, thresholds },
        everyone: DeliveryState::pushed(),
        authors: HashMap::new(),
    };
    let mut statement = transaction.prepare_cached("SELECT subject, state FROM delivery")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let text: String = row.get(1)?;
        let state: DeliveryState = serde_json::from_str(&text).map_err(|error| unreadable(1, error))?;
        match row.get(0)? {
            EVERYONE => rules.everyone = state,
            author => _ = rules.authors.insert(sql::user(author), Arc::new(state)),
        }
    }
    Ok(Some(rules))
}

pub(super) fn set_rules(connection: &Connection, rules: RulesInForce) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "INSERT INTO rules VALUES (1, ?1, ?2, ?3, 1) ON CONFLICT DO UPDATE SET strategy = excluded.strategy,
             pull_threshold = excluded.pull_threshold, push_threshold = excluded.push_threshold, version = version + 1
             RETURNING version",
        )?
        .query_row(
            (
                rules.strategy.as_str(),
                sql::column(rules.thresholds.pull),
                sql::column(rules.thresholds.push),
            ),
            |row| row.get(0).map(sql::number),
        )
}

pub(super) fn set_states(connection: &Connection, states: &[(Subject, DeliveryState)]) -> rusqlite::Result<u64> {
    let mut put = connection.prepare_cached("INSERT OR REPLACE INTO delivery (subject, state) VALUES (?1, ?2)")?;
    for (subject, state) in states {
        let column = match subject {
            Subject::Everyone => EVERYONE,
            Subject::Author(author) => sql::column(UserId::get(*author)),
        };
        let text = serde_json::to_string(state).map_err(|error| unreadable(1, error))?;
        put.execute((column, text))?;
    }
    connection
        .prepare_cached("UPDATE rules SET version = version + 1 RETURNING version")?
        .query_row([], |row| row.get(0).map(sql::number))
}

fn unreadable(column: usize, error: impl std::error::Error + Send + Sync + 'static) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
}

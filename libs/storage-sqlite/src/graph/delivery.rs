//! How authors are delivered.

use std::collections::HashMap;
use std::sync::Arc;

use model::{DeliveryRules, DeliveryState, IdRange, Phase, RulesInForce, Subject, Thresholds, TweetId, UserId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use super::bound;
use crate::sql;

/// The column of [`Subject::Everyone`]; accounts are numbered from 1.
const EVERYONE: i64 = 0;

/// A range as it is stored. Plain numbers: a range may begin at 0, which is not the id of any tweet.
type StoredRange = (u64, Option<u64>);

/// The rules as of one moment; `configured` before any were set.
pub(super) fn load(connection: &Connection, configured: RulesInForce) -> rusqlite::Result<DeliveryRules> {
    let transaction = connection.unchecked_transaction()?;
    let (version, in_force) = transaction
        .prepare_cached("SELECT version, strategy, pull_threshold, push_threshold FROM rules")?
        .query_row([], |row| Ok((row.get(0).map(sql::number)?, in_force(row)?)))?;
    let mut rules = DeliveryRules {
        version,
        in_force: in_force.unwrap_or(configured),
        everyone: DeliveryState::pushed(),
        authors: HashMap::new(),
    };
    let mut statement = transaction.prepare_cached("SELECT subject, phase, pulled, changed_at_ms FROM delivery")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        match row.get(0)? {
            EVERYONE => rules.everyone = state(row)?,
            author => _ = rules.authors.insert(sql::user(author), Arc::new(state(row)?)),
        }
    }
    Ok(rules)
}

fn in_force(row: &Row<'_>) -> rusqlite::Result<Option<RulesInForce>> {
    let Some(strategy) = row.get::<_, Option<String>>(1)? else {
        return Ok(None);
    };
    let strategy = strategy.parse().map_err(|error| unreadable(1, error))?;
    let thresholds = Thresholds::new(sql::number(row.get(2)?), sql::number(row.get(3)?));
    let thresholds = thresholds.map_err(|error| unreadable(2, error))?;
    Ok(Some(RulesInForce { strategy, thresholds }))
}

fn state(row: &Row<'_>) -> rusqlite::Result<DeliveryState> {
    let phase: String = row.get(1)?;
    let phase = match phase.as_str() {
        "pushed" => Phase::Pushed,
        "both" => Phase::Both,
        "pulled" => Phase::Pulled,
        _ => return Err(unreadable(1, format!("unknown phase {phase:?}"))),
    };
    let pulled: Vec<StoredRange> =
        serde_json::from_str(&row.get::<_, String>(2)?).map_err(|error| unreadable(2, error))?;
    let range = |(from, until): StoredRange| IdRange {
        from: TweetId::new(from),
        until: until.map(TweetId::new),
    };
    Ok(DeliveryState {
        phase,
        pulled: pulled.into_iter().map(range).collect(),
        changed_at_ms: sql::number(row.get(3)?),
    })
}

/// Sets what an operator asks for.
pub(super) fn set_rules(connection: &Connection, rules: RulesInForce) -> rusqlite::Result<u64> {
    connection
        .prepare_cached(
            "UPDATE rules SET version = version + 1, strategy = ?1, pull_threshold = ?2, push_threshold = ?3
             RETURNING version",
        )?
        .query_row(
            (
                rules.strategy.as_str(),
                bound(rules.thresholds.pull),
                bound(rules.thresholds.push),
            ),
            |row| row.get(0).map(sql::number),
        )
}

/// Sets steps of the crossing, unless the rules are at another version.
pub(super) fn set_states(
    connection: &Connection,
    states: &[(Subject, DeliveryState)],
    expected: u64,
) -> rusqlite::Result<Option<u64>> {
    let raised = connection
        .prepare_cached("UPDATE rules SET version = version + 1 WHERE version = ?1 RETURNING version")?
        .query_row([bound(expected)], |row| row.get(0).map(sql::number))
        .optional()?;
    if raised.is_none() {
        return Ok(None);
    }
    let mut put = connection.prepare_cached(
        "INSERT OR REPLACE INTO delivery (subject, phase, pulled, changed_at_ms) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (subject, state) in states {
        let subject = match subject {
            Subject::Everyone => EVERYONE,
            Subject::Author(author) => sql::column(UserId::get(*author)),
        };
        put.execute((
            subject,
            phase(state.phase),
            pulled(state),
            sql::column(state.changed_at_ms),
        ))?;
    }
    Ok(raised)
}

const fn phase(phase: Phase) -> &'static str {
    match phase {
        Phase::Pushed => "pushed",
        Phase::Both => "both",
        Phase::Pulled => "pulled",
    }
}

fn pulled(state: &DeliveryState) -> String {
    let stored = |range: &IdRange| (range.from.get(), range.until.map(TweetId::get));
    let ranges: Vec<StoredRange> = state.pulled.iter().map(stored).collect();
    serde_json::to_string(&ranges).expect("numbers are written without fail")
}

fn unreadable(column: usize, error: impl Into<storage::BoxError>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, error.into())
}

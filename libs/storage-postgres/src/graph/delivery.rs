//! How authors are delivered.

use std::collections::HashMap;
use std::sync::Arc;

use deadpool_postgres::GenericClient;
use model::{DeliveryRules, DeliveryState, IdRange, Phase, RulesInForce, Subject, Thresholds, TweetId, UserId};
use storage::{Deadline, StoreError};
use tokio_postgres::Row;

use crate::ask;
use crate::sql;

/// The number of [`Subject::Everyone`]; accounts are numbered from 1.
const EVERYONE: i64 = 0;

/// A range as it is stored. Plain numbers: a range may begin at 0, which is not the id of any tweet.
type StoredRange = (u64, Option<u64>);

/// One statement: rules are as of one moment. The rules themselves are in each row, beside one subject's state or none.
pub(crate) const LOAD: &str = "SELECT version, strategy, pull_threshold, push_threshold,
        subject, phase, pulled, changed_at_ms
    FROM delivery_rules LEFT JOIN delivery_states ON true";

pub(crate) const SET_RULES: &str = "UPDATE delivery_rules
    SET version = version + 1, strategy = $1, pull_threshold = $2, push_threshold = $3 RETURNING version";

/// All or none, and only over the version that the steps were decided by.
pub(crate) const SET_STATES: &str = "WITH raised AS (
        UPDATE delivery_rules SET version = version + 1 WHERE version = $1 RETURNING version
    ), states AS (
        INSERT INTO delivery_states (subject, phase, pulled, changed_at_ms)
        SELECT state.* FROM unnest($2::bigint[], $3::text[], $4::text[], $5::bigint[])
            AS state (subject, phase, pulled, changed_at_ms)
        WHERE EXISTS (SELECT 1 FROM raised)
        ON CONFLICT (subject) DO UPDATE
            SET phase = excluded.phase, pulled = excluded.pulled, changed_at_ms = excluded.changed_at_ms
    )
    SELECT version FROM raised";

/// The rules; `configured` before any were set.
pub(super) async fn load(
    client: &impl GenericClient,
    configured: RulesInForce,
    deadline: Deadline,
) -> Result<DeliveryRules, StoreError> {
    let rows = ask::query(client, deadline, LOAD, &[]).await?;
    let first = rows.first().ok_or_else(|| unreadable("there are no delivery rules"))?;
    let mut rules = DeliveryRules {
        version: sql::number(first.get(0)),
        in_force: in_force(first)?.unwrap_or(configured),
        everyone: DeliveryState::pushed(),
        authors: HashMap::new(),
    };
    for row in &rows {
        match row.get(4) {
            None => {}
            Some(EVERYONE) => rules.everyone = state(row)?,
            Some(author) => _ = rules.authors.insert(sql::user(author), Arc::new(state(row)?)),
        }
    }
    Ok(rules)
}

fn in_force(row: &Row) -> Result<Option<RulesInForce>, StoreError> {
    let Some(strategy) = row.get::<_, Option<String>>(1) else {
        return Ok(None);
    };
    let thresholds = Thresholds::new(sql::number(row.get(2)), sql::number(row.get(3)));
    Ok(Some(RulesInForce {
        strategy: strategy.parse().map_err(unreadable)?,
        thresholds: thresholds.map_err(unreadable)?,
    }))
}

fn state(row: &Row) -> Result<DeliveryState, StoreError> {
    let phase: String = row.get(5);
    let phase = match phase.as_str() {
        "pushed" => Phase::Pushed,
        "both" => Phase::Both,
        "pulled" => Phase::Pulled,
        _ => return Err(unreadable(format!("an unknown phase {phase:?}"))),
    };
    let pulled: Vec<StoredRange> = serde_json::from_str(row.get(6)).map_err(unreadable)?;
    let range = |(from, until): StoredRange| IdRange {
        from: TweetId::new(from),
        until: until.map(TweetId::new),
    };
    Ok(DeliveryState {
        phase,
        pulled: pulled.into_iter().map(range).collect(),
        changed_at_ms: sql::number(row.get(7)),
    })
}

/// Sets what an operator asks for.
pub(super) async fn set_rules(
    client: &impl GenericClient,
    rules: RulesInForce,
    deadline: Deadline,
) -> Result<u64, StoreError> {
    let Thresholds { pull, push } = rules.thresholds;
    let threshold = |followers: u64| i64::try_from(followers).unwrap_or(i64::MAX);
    let row = ask::query_one(
        client,
        deadline,
        SET_RULES,
        &[&rules.strategy.as_str(), &threshold(pull), &threshold(push)],
    )
    .await?;
    Ok(sql::number(row.get(0)))
}

/// Sets steps of the crossing.
pub(super) async fn set_states(
    client: &impl GenericClient,
    states: &[(Subject, DeliveryState)],
    expected: u64,
    deadline: Deadline,
) -> Result<Option<u64>, StoreError> {
    let subject = |subject: &Subject| match subject {
        Subject::Everyone => EVERYONE,
        Subject::Author(author) => sql::column(UserId::get(*author)),
    };
    let subjects: Vec<i64> = states.iter().map(|(of, _)| subject(of)).collect();
    let phases: Vec<&str> = states.iter().map(|(_, state)| phase(state.phase)).collect();
    let pulled: Vec<String> = states.iter().map(|(_, state)| pulled(state)).collect();
    let changed: Vec<i64> = states
        .iter()
        .map(|(_, state)| sql::column(state.changed_at_ms))
        .collect();
    let row = ask::query_opt(
        client,
        deadline,
        SET_STATES,
        &[&sql::column(expected), &subjects, &phases, &pulled, &changed],
    )
    .await?;
    Ok(row.map(|row| sql::number(row.get(0))))
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

fn unreadable(what: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt {
        store: "the follow graph",
        what: what.to_string(),
    }
}

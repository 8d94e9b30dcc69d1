//! What happened, in commit order.
//!
//! A change is written without a position, in the transaction of what it tells of. Whoever asks for changes first places
//! all that are committed and have none, one after the other under a lock: so a change that is committed later has a higher
//! position, whichever number it drew when it was written, and an answer holds everything that was committed before it was
//! asked for. Numbers that an account's changes drew are in the order of its versions, since the account was locked.

use deadpool_postgres::{Client, Transaction};
use model::{ActorVersion, EdgeKind, Epoch, GraphChange, GraphChangeKind, Position, UserId};
use storage::{Deadline, Pulse, StoreError};
use tokio_postgres::Row;

use super::PostgresGraph;
use crate::ask;
use crate::sql;

const KINDS: [(i16, GraphChangeKind); 8] = [
    (1, GraphChangeKind::Added(EdgeKind::Follow)),
    (2, GraphChangeKind::Removed(EdgeKind::Follow)),
    (3, GraphChangeKind::Added(EdgeKind::Mute)),
    (4, GraphChangeKind::Removed(EdgeKind::Mute)),
    (5, GraphChangeKind::Added(EdgeKind::Block)),
    (6, GraphChangeKind::Removed(EdgeKind::Block)),
    (7, GraphChangeKind::AccountDeleted),
    (8, GraphChangeKind::SessionsRevoked),
];

const LOCK: i64 = 0x63_68_61_6e_67_65_73;

/// How long a change is kept. A replica that is further behind drops what it has cached.
const KEPT_MS: u64 = 3_600_000;

pub(crate) const APPEND: &str = "INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms)
    VALUES ($1, $2, $3, $4, $5)";

/// Changes that one transaction places, so that a caller who runs out of time has brought it forward.
const PLACED_AT_ONCE: i64 = 5_000;

/// All that a replica asks for when nothing has happened.
pub(crate) const PULSE: &str = "SELECT
    (SELECT id FROM graph_changes_unplaced ORDER BY id LIMIT 1) IS NOT NULL,
    (SELECT last FROM graph_positions),
    (SELECT pruned FROM graph_positions),
    (SELECT version FROM delivery_rules),
    (SELECT epoch FROM store_epoch)";

const TAKE_LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

pub(crate) const PLACE: &str = "WITH taken AS (
        DELETE FROM graph_changes_unplaced
        WHERE id = ANY (ARRAY(SELECT id FROM graph_changes_unplaced ORDER BY id LIMIT $1))
        RETURNING *
    ), numbered AS (
        SELECT *, row_number() OVER (ORDER BY id) AS number FROM taken
    ), base AS (
        UPDATE graph_positions SET last = last + (SELECT count(*) FROM taken)
        RETURNING last - (SELECT count(*) FROM taken) AS last
    )
    INSERT INTO graph_changes (position, actor, version, kind, target, at_ms)
    SELECT base.last + number, actor, version, kind, target, at_ms FROM numbered, base";

/// What was dropped is told by the same statement: it may be dropped between two.
pub(crate) const AFTER: &str = "SELECT position, actor, version, kind, target, (SELECT pruned FROM graph_positions)
    FROM graph_changes WHERE position > $1 ORDER BY position LIMIT $2";

pub(crate) const PRUNE: &str = "WITH gone AS (
        DELETE FROM graph_changes WHERE position = ANY (ARRAY(
            SELECT position FROM (SELECT position, at_ms FROM graph_changes ORDER BY position LIMIT $2) AS oldest
            WHERE at_ms < $1
        )) RETURNING position
    ), noted AS (
        UPDATE graph_positions SET pruned = greatest(pruned, (SELECT max(position) FROM gone))
        WHERE EXISTS (SELECT 1 FROM gone)
    )
    SELECT count(*) FROM gone";

/// Writes a change. It has no position until it is committed and somebody has asked.
pub(super) async fn append(
    transaction: &Transaction<'_>,
    actor: UserId,
    version: ActorVersion,
    kind: GraphChangeKind,
    target: UserId,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    ask::execute(
        transaction,
        deadline,
        APPEND,
        &[
            &sql::column(actor.get()),
            &sql::column(version.0),
            &code(kind),
            &sql::column(target.get()),
            &sql::column(now_ms),
        ],
    )
    .await?;
    Ok(())
}

/// The number of a kind.
pub(super) fn code(kind: GraphChangeKind) -> i16 {
    let known = KINDS.iter().find(|(_, known)| *known == kind);
    known.map(|(code, _)| *code).expect("every kind has a number")
}

fn change(row: &Row) -> Result<GraphChange, StoreError> {
    let code: i16 = row.get(3);
    let known = KINDS.iter().find(|(known, _)| *known == code);
    let (_, kind) = known.ok_or_else(|| StoreError::Corrupt {
        store: "the follow graph",
        what: format!("a change of unknown kind {code}"),
    })?;
    Ok(GraphChange {
        position: Position(sql::number(row.get(0))),
        actor: sql::user(row.get(1)),
        version: ActorVersion(sql::number(row.get(2))),
        kind: *kind,
        target: sql::user(row.get(4)),
    })
}

/// What [`PULSE`] says.
struct Beat {
    /// The last position, when every change that was committed before had one.
    last: i64,
    pruned: i64,
    rules_version: u64,
    epoch: Epoch,
}

/// Asks how things stand, once everything that is committed is placed.
async fn beat(client: &mut Client, deadline: Deadline) -> Result<Beat, StoreError> {
    let mut row = ask::query_one(client, deadline, PULSE, &[]).await?;
    while row.get(0) {
        let transaction = ask::within(deadline, client.transaction()).await?;
        ask::execute(&transaction, deadline, TAKE_LOCK, &[&LOCK]).await?;
        ask::execute(&transaction, deadline, PLACE, &[&PLACED_AT_ONCE]).await?;
        row = ask::query_one(&transaction, deadline, PULSE, &[]).await?;
        ask::within(deadline, transaction.commit()).await?;
    }
    Ok(Beat {
        last: row.get(1),
        pruned: row.get(2),
        rules_version: sql::number(row.get(3)),
        epoch: Epoch(sql::number(row.get(4))),
    })
}

/// See [`storage::GraphFeed::pulse`].
pub(super) async fn pulse(
    client: &mut Client,
    after: Position,
    limit: usize,
    deadline: Deadline,
) -> Result<Pulse, StoreError> {
    let beat = beat(client, deadline).await?;
    let from = i64::try_from(after.0).unwrap_or(i64::MAX);
    let mut gap = from < beat.pruned;
    let mut changes = Vec::new();
    if beat.last > from && limit > 0 {
        let rows = ask::query(client, deadline, AFTER, &[&from, &sql::limit(limit)]).await?;
        gap |= rows.first().is_none_or(|row| from < row.get(5));
        changes = rows.iter().map(change).collect::<Result<_, _>>()?;
    }
    Ok(Pulse {
        changes,
        gap,
        rules_version: beat.rules_version,
        epoch: beat.epoch,
    })
}

/// See [`storage::GraphFeed::latest`].
pub(super) async fn latest(client: &mut Client, deadline: Deadline) -> Result<Position, StoreError> {
    Ok(Position(sql::number(beat(client, deadline).await?.last)))
}

impl PostgresGraph {
    /// Drops changes that were kept long enough, at most `limit`; answers how many.
    pub async fn prune_changes(&self, limit: usize, deadline: Deadline) -> Result<u64, StoreError> {
        let before_ms = sql::column(self.clock.unix_ms().saturating_sub(KEPT_MS));
        let client = self.pool.client(deadline).await?;
        let row = ask::query_one(&client, deadline, PRUNE, &[&before_ms, &sql::limit(limit)]).await?;
        Ok(sql::number(row.get(0)))
    }
}

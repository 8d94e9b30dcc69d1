//! What happened, in commit order.
//!
//! A change is written without a position, in the transaction of what it tells of. Whoever asks for changes first places
//! all that are committed and have none, one after the other under a lock: so a change that is committed later has a higher
//! position, whichever number it drew when it was written, and an answer holds everything that was committed before it was
//! asked for. Numbers that an account's changes drew are in the order of its versions, since the account was locked.
//!
//! Positions go up by one, so that a hole tells that changes were dropped. There is no row that every pulse or every writer
//! meets: while a backup holds an old snapshot, all versions of such a row would have to be stepped over.

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
const PLACED_AT_ONCE: i64 = 20_000;

/// The newest change, and from which transaction on somebody may have told what is not placed. After a restore into a
/// server that has counted fewer transactions, that may be any.
macro_rules! with_head {
    ($with:literal, $query:literal) => {
        concat!(
            "WITH head AS MATERIALIZED (
                SELECT position, settled FROM graph_changes ORDER BY position DESC LIMIT 1
            ), known AS MATERIALIZED (
                SELECT coalesce((SELECT position FROM head), 0) AS last, coalesce(
                    (SELECT settled FROM head WHERE settled <= pg_snapshot_xmax(pg_current_snapshot())), '0'::xid8
                ) AS settled
            )",
            $with,
            $query
        )
    };
}

/// All that a replica asks for when nothing has happened.
pub(crate) const PULSE: &str = with_head!(
    "",
    " SELECT (
            SELECT id FROM graph_changes_unplaced WHERE xid >= (SELECT settled FROM known) ORDER BY xid, id LIMIT 1
        ) IS NOT NULL,
        (SELECT last FROM known),
        (SELECT version FROM delivery_rules),
        (SELECT epoch FROM store_epoch)"
);

const TAKE_LOCK: &str = "SELECT pg_advisory_xact_lock($1)";

/// What a statement sees was all committed before it began; the lock is taken by one before.
pub(crate) const PLACE: &str = with_head!(
    ", taken AS (
        DELETE FROM graph_changes_unplaced WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM graph_changes_unplaced WHERE xid >= (SELECT settled FROM known) ORDER BY id LIMIT $1
        ))
        RETURNING id, actor, version, kind, target, at_ms
    )",
    " INSERT INTO graph_changes (position, actor, version, kind, target, at_ms, settled)
    SELECT last + row_number() OVER (ORDER BY id), actor, version, kind, target, at_ms,
        CASE WHEN (SELECT count(*) FROM taken) < $1 THEN pg_snapshot_xmin(pg_current_snapshot()) ELSE settled END
    FROM taken, known"
);

pub(crate) const AFTER: &str = "SELECT position, actor, version, kind, target FROM graph_changes
    WHERE position > $1 ORDER BY position LIMIT $2";

/// The newest stays: positions go on from it.
pub(crate) const PRUNE: &str = "DELETE FROM graph_changes WHERE position = ANY (ARRAY(
        SELECT position FROM (SELECT position, at_ms FROM graph_changes ORDER BY position LIMIT $2) AS oldest
        WHERE at_ms < $1 AND position < (SELECT position FROM graph_changes ORDER BY position DESC LIMIT 1)
    ))";

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

/// `None` for a kind that this build does not know.
fn change(row: &Row) -> Option<GraphChange> {
    let code: i16 = row.get(3);
    let (_, kind) = KINDS.iter().find(|(known, _)| *known == code)?;
    Some(GraphChange {
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
        rules_version: sql::number(row.get(2)),
        epoch: Epoch(sql::number(row.get(3))),
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
    let mut rows = Vec::new();
    if beat.last > from {
        // One at least: it tells whether others were dropped before it.
        rows = ask::query(client, deadline, AFTER, &[&from, &sql::limit(limit.max(1))]).await?;
    }
    let next = from.saturating_add(1);
    let was_dropped = rows.first().is_some_and(|row| row.get::<_, i64>(0) > next);
    let mut changes: Vec<GraphChange> = rows.iter().filter_map(change).collect();
    // What a later build tells may mean anything: it counts as dropped.
    let gap = was_dropped || changes.len() < rows.len();
    if gap && !was_dropped {
        tracing::warn!(
            count = rows.len() - changes.len(),
            "changes of unknown kinds: nothing cached is kept"
        );
    }
    changes.truncate(limit);
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
    /// Drops changes that were kept long enough, at most `limit`; answers how many. The newest is always kept.
    pub async fn prune_changes(&self, limit: usize, deadline: Deadline) -> Result<u64, StoreError> {
        let before_ms = sql::column(self.clock.unix_ms().saturating_sub(KEPT_MS));
        let mut client = self.pool.client(deadline).await?;
        // Where nobody asks for changes, nobody else places them.
        beat(&mut client, deadline).await?;
        ask::execute(&client, deadline, PRUNE, &[&before_ms, &sql::limit(limit)]).await
    }
}

//! What happened, in commit order.

use model::{ActorVersion, EdgeKind, GraphChange, GraphChangeKind, Position, UserId};
use rusqlite::Connection;

use super::bound;
use crate::sql;

const KEPT_MS: u64 = 7 * 24 * 3_600_000;

const KINDS: [(i64, GraphChangeKind); 8] = [
    (1, GraphChangeKind::Added(EdgeKind::Follow)),
    (2, GraphChangeKind::Removed(EdgeKind::Follow)),
    (3, GraphChangeKind::Added(EdgeKind::Mute)),
    (4, GraphChangeKind::Removed(EdgeKind::Mute)),
    (5, GraphChangeKind::Added(EdgeKind::Block)),
    (6, GraphChangeKind::Removed(EdgeKind::Block)),
    (7, GraphChangeKind::AccountDeleted),
    (8, GraphChangeKind::SessionsRevoked),
];

/// Changes that one write may drop: enough to keep up, few enough not to be felt.
const PRUNED_AT_ONCE: usize = 4;

/// Takes the next place for a change, and drops a few that are older than a week.
pub(super) fn append(
    connection: &Connection,
    actor: UserId,
    version: ActorVersion,
    kind: GraphChangeKind,
    target: UserId,
    now_ms: u64,
) -> rusqlite::Result<()> {
    insert(connection, actor, version, kind, target, now_ms)?;
    prune(connection, now_ms, PRUNED_AT_ONCE)
}

/// Takes the next place for a change.
pub(super) fn insert(
    connection: &Connection,
    actor: UserId,
    version: ActorVersion,
    kind: GraphChangeKind,
    target: UserId,
    now_ms: u64,
) -> rusqlite::Result<()> {
    let code = KINDS.iter().find(|(_, known)| *known == kind).map(|(code, _)| *code);
    connection
        .prepare_cached("INSERT INTO changes (actor, version, kind, target, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute((
            sql::column(actor.get()),
            sql::column(version.0),
            code,
            sql::column(target.get()),
            sql::column(now_ms),
        ))?;
    Ok(())
}

/// Drops some of those that are older than a week, at most `limit`. The newest stays, so that its position is not
/// given again.
pub(super) fn prune(connection: &Connection, now_ms: u64, limit: usize) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM changes WHERE position IN
                 (SELECT position FROM (SELECT position, at_ms FROM changes ORDER BY position LIMIT ?2) WHERE at_ms < ?1)
             AND position < (SELECT max(position) FROM changes)",
        )?
        .execute((sql::column(now_ms.saturating_sub(KEPT_MS)), bound(limit as u64)))?;
    Ok(())
}

/// Changes after a position, oldest first.
pub(super) fn after(connection: &Connection, position: Position, limit: usize) -> rusqlite::Result<Vec<GraphChange>> {
    let mut statement = connection.prepare_cached(
        "SELECT position, actor, version, kind, target FROM changes WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let rows = statement.query_map((bound(position.0), bound(limit as u64)), |row| {
        let code: i64 = row.get(3)?;
        let kind = KINDS.iter().find(|(known, _)| *known == code);
        let (_, kind) = kind.ok_or(rusqlite::Error::IntegralValueOutOfRange(3, code))?;
        Ok(GraphChange {
            position: Position(sql::number(row.get(0)?)),
            actor: sql::user(row.get(1)?),
            version: ActorVersion(sql::number(row.get(2)?)),
            kind: *kind,
            target: sql::user(row.get(4)?),
        })
    })?;
    rows.collect()
}

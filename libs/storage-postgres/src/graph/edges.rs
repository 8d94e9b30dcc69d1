//! Follows, mutes and blocks.
//!
//! Three statements under the lock of the actor: the lock, one that looks at everything that decides (as of a moment after
//! the lock was taken), and one that writes. Nothing is locked that belongs to the target: an edge to an account that is
//! being deleted may be made, and [`super::purge`] finds it.

use deadpool_postgres::Transaction;
use model::{ActorVersion, EdgeKind, GraphChangeKind};
use storage::{Deadline, EdgeError, EdgeWrite, EdgeWritten};
use tokio_postgres::Row;

use super::accounts::{self, Locked};
use super::{changes, idempotency};
use crate::ask;
use crate::sql;

/// What decides about an edge: what was done under the key, whether the target is there, whether the edge stands, whether a
/// block forbids it, and how many of its kind the actor has where its own row does not say.
const fn look(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => LOOK_AT_FOLLOW,
        EdgeKind::Mute => LOOK_AT_MUTE,
        EdgeKind::Block => LOOK_AT_BLOCK,
    }
}

macro_rules! look {
    ($($edge:literal),+) => {
        concat!(
            "SELECT
                (SELECT body_digest FROM account_idempotency_keys
                 WHERE account = $3 AND operation = $4 AND key = $5 AND expires_at_ms > $6),
                EXISTS (SELECT 1 FROM users WHERE id = $2 AND deleted_at_ms IS NULL), ",
            $($edge),+
        )
    };
}

macro_rules! look_at_target {
    ($table:literal) => {
        look!(
            "EXISTS (SELECT 1 FROM ",
            $table,
            " WHERE actor = $1 AND target = $2 AND present), false, (SELECT count(*) FROM ",
            $table,
            " WHERE actor = $1 AND present)"
        )
    };
}

pub(crate) const LOOK_AT_FOLLOW: &str = look!(
    "EXISTS (SELECT 1 FROM follows WHERE follower = $1 AND followee = $2 AND present),
    EXISTS (SELECT 1 FROM blocks WHERE actor = $1 AND target = $2 AND present)
        OR EXISTS (SELECT 1 FROM blocked_by WHERE target = $1 AND actor = $2),
    NULL::bigint"
);
pub(crate) const LOOK_AT_MUTE: &str = look_at_target!("mutes");
pub(crate) const LOOK_AT_BLOCK: &str = look_at_target!("blocks");

/// Sets an edge or its tombstone, with the version that the actor has after it, and tells of it.
const fn put(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => PUT_FOLLOW,
        EdgeKind::Mute => PUT_MUTE,
        EdgeKind::Block => PUT_BLOCK,
    }
}

pub(crate) const PUT_FOLLOW: &str = "WITH edge AS (
        INSERT INTO follows (follower, followee, version, present, removed_at_ms)
        VALUES ($1, $2, $3, $4, CASE WHEN NOT $4 THEN $5::bigint END)
        ON CONFLICT (follower, followee) DO UPDATE
            SET version = excluded.version, present = excluded.present, removed_at_ms = excluded.removed_at_ms
    ), mirrored AS (
        INSERT INTO followers (followee, follower) SELECT $2, $1 WHERE $4 ON CONFLICT DO NOTHING
    ), unmirrored AS (
        DELETE FROM followers WHERE NOT $4 AND followee = $2 AND follower = $1
    ), counted AS (
        INSERT INTO follower_count_deltas (user_id, delta) VALUES ($2, CASE WHEN $4 THEN 1 ELSE -1 END)
    ), told AS (
        INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) VALUES ($1, $3, $6, $2, $5)
    )
    UPDATE users SET actor_version = $3, following_count = following_count + CASE WHEN $4 THEN 1 ELSE -1 END
    WHERE id = $1";

macro_rules! put {
    ($table:literal, $more:literal) => {
        concat!(
            "WITH edge AS (
                INSERT INTO ",
            $table,
            " (actor, target, version, present, removed_at_ms)
                VALUES ($1, $2, $3, $4, CASE WHEN NOT $4 THEN $5::bigint END)
                ON CONFLICT (actor, target) DO UPDATE
                    SET version = excluded.version, present = excluded.present, removed_at_ms = excluded.removed_at_ms
            ), ",
            $more,
            "told AS (
                INSERT INTO graph_changes_unplaced (actor, version, kind, target, at_ms) VALUES ($1, $3, $6, $2, $5)
            )
            UPDATE users SET actor_version = $3 WHERE id = $1"
        )
    };
}

pub(crate) const PUT_MUTE: &str = put!("mutes", "");
pub(crate) const PUT_BLOCK: &str = put!(
    "blocks",
    "mirrored AS (
        INSERT INTO blocked_by (target, actor) SELECT $2, $1 WHERE $4 ON CONFLICT DO NOTHING
    ), unmirrored AS (
        DELETE FROM blocked_by WHERE NOT $4 AND target = $2 AND actor = $1
    ), "
);

/// Makes or removes an edge, by the rules of the port.
pub(super) async fn write(
    transaction: &Transaction<'_>,
    write: &EdgeWrite,
    now_ms: u64,
    deadline: Deadline,
) -> Result<EdgeWritten, EdgeError> {
    let account = accounts::lock(transaction, write.actor, deadline).await?;
    let account = account.ok_or(EdgeError::NoSuchUser)?;
    let unchanged = EdgeWritten {
        version: account.version,
        changed: false,
    };
    let (actor, target, now) = (
        sql::column(write.actor.get()),
        sql::column(write.target.get()),
        sql::column(now_ms),
    );
    let key = write.idempotency.as_ref();
    let (of, operation, name) = idempotency::columns(key);
    let found = ask::query_one(
        transaction,
        deadline,
        look(write.kind),
        &[&actor, &target, &of, &operation, &name, &now],
    )
    .await?;
    if idempotency::is_done(key, found.get(0))? {
        return Ok(unchanged);
    }
    if !found.get::<_, bool>(1) {
        return Err(EdgeError::NoSuchUser);
    }
    if found.get::<_, bool>(2) == write.present {
        idempotency::keep(transaction, key, now_ms, deadline).await?;
        return Ok(unchanged);
    }
    if write.present {
        may_add(&account, &found, write.limit)?;
    }
    let version = ActorVersion(account.version.0 + 1);
    let (of_edge, kind) = (sql::column(version.0), changes::code(kind(write)));
    // Sent together, answered together.
    let parameters: ask::Parameters<'_> = &[&actor, &target, &of_edge, &write.present, &now, &kind];
    futures::try_join!(
        ask::execute(transaction, deadline, put(write.kind), parameters),
        idempotency::keep(transaction, key, now_ms, deadline)
    )?;
    Ok(EdgeWritten { version, changed: true })
}

fn kind(write: &EdgeWrite) -> GraphChangeKind {
    if write.present {
        GraphChangeKind::Added(write.kind)
    } else {
        GraphChangeKind::Removed(write.kind)
    }
}

fn may_add(account: &Locked, found: &Row, limit: u64) -> Result<(), EdgeError> {
    if found.get(3) {
        return Err(EdgeError::Blocked);
    }
    let there = found.get::<_, Option<i64>>(4).map_or(account.following, sql::number);
    if there < limit {
        Ok(())
    } else {
        Err(EdgeError::LimitReached { limit })
    }
}

//! Follows, mutes and blocks.

use model::{ActorVersion, EdgeKind, Followee, GraphChangeKind, ReaderView, UserId};
use rusqlite::{Connection, OptionalExtension, Row};
use storage::{EdgeError, EdgeRecord, EdgeWrite, EdgeWritten, FollowerPage, FollowerPageRequest};

use super::{accounts, bound, changes, idempotency};
use crate::sql;

const fn table(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => "following (follower, followee, version, present)",
        EdgeKind::Mute => "mutes (actor, target, version, present)",
        EdgeKind::Block => "blocks (actor, target, version, present)",
    }
}

const fn select_present(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => "SELECT present FROM following WHERE follower = ?1 AND followee = ?2",
        EdgeKind::Mute => "SELECT present FROM mutes WHERE actor = ?1 AND target = ?2",
        EdgeKind::Block => "SELECT present FROM blocks WHERE actor = ?1 AND target = ?2",
    }
}

const fn select_edge(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => "SELECT version, present FROM following WHERE follower = ?1 AND followee = ?2",
        EdgeKind::Mute => "SELECT version, present FROM mutes WHERE actor = ?1 AND target = ?2",
        EdgeKind::Block => "SELECT version, present FROM blocks WHERE actor = ?1 AND target = ?2",
    }
}

const fn count(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Follow => "SELECT following_count FROM users WHERE id = ?1",
        EdgeKind::Mute => "SELECT count(*) FROM mutes WHERE actor = ?1 AND present = 1",
        EdgeKind::Block => "SELECT count(*) FROM blocks WHERE actor = ?1 AND present = 1",
    }
}

/// Makes or removes an edge, by the rules of the port.
pub(super) fn write(
    connection: &Connection,
    write: &EdgeWrite,
    now_ms: u64,
) -> rusqlite::Result<Result<EdgeWritten, EdgeError>> {
    let key = write.idempotency.as_ref();
    let Some(version) = accounts::version(connection, write.actor)? else {
        return Ok(Err(EdgeError::NoSuchUser));
    };
    let unchanged = EdgeWritten {
        version,
        changed: false,
    };
    match idempotency::done(connection, key, now_ms)? {
        Err(conflict) => return Ok(Err(conflict.into())),
        Ok(true) => return Ok(Ok(unchanged)),
        Ok(false) => {}
    }
    if accounts::version(connection, write.target)?.is_none() {
        return Ok(Err(EdgeError::NoSuchUser));
    }
    if is_present(connection, write.kind, write.actor, write.target)? == write.present {
        idempotency::keep(connection, key, now_ms)?;
        return Ok(Ok(unchanged));
    }
    if write.present
        && let Err(refusal) = may_add(connection, write)?
    {
        return Ok(Err(refusal));
    }
    let version = accounts::raise_version(connection, write.actor)?;
    put(
        connection,
        write.kind,
        write.actor,
        write.target,
        version,
        write.present,
    )?;
    let kind = if write.present {
        GraphChangeKind::Added
    } else {
        GraphChangeKind::Removed
    }(write.kind);
    changes::append(connection, write.actor, version, kind, write.target, now_ms)?;
    idempotency::keep(connection, key, now_ms)?;
    Ok(Ok(EdgeWritten { version, changed: true }))
}

/// Whether an edge stands.
pub(super) fn is_present(
    connection: &Connection,
    kind: EdgeKind,
    actor: UserId,
    target: UserId,
) -> rusqlite::Result<bool> {
    let present: Option<bool> = connection
        .prepare_cached(select_present(kind))?
        .query_row((sql::column(actor.get()), sql::column(target.get())), |row| row.get(0))
        .optional()?;
    Ok(present.unwrap_or(false))
}

/// Whether one account follows another, or ever has: tombstones stay.
pub(super) fn ever_followed(connection: &Connection, reader: UserId, author: UserId) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM following WHERE follower = ?1 AND followee = ?2")?
        .exists((sql::column(reader.get()), sql::column(author.get())))
}

fn may_add(connection: &Connection, write: &EdgeWrite) -> rusqlite::Result<Result<(), EdgeError>> {
    let blocked = is_present(connection, EdgeKind::Block, write.actor, write.target)?
        || is_present(connection, EdgeKind::Block, write.target, write.actor)?;
    if write.kind == EdgeKind::Follow && blocked {
        return Ok(Err(EdgeError::Blocked));
    }
    let there: i64 = connection
        .prepare_cached(count(write.kind))?
        .query_row([sql::column(write.actor.get())], |row| row.get(0))?;
    let room = sql::number(there) < write.limit;
    Ok(if room {
        Ok(())
    } else {
        Err(EdgeError::LimitReached { limit: write.limit })
    })
}

/// Sets an edge or its tombstone, and counts a follow.
fn put(
    connection: &Connection,
    kind: EdgeKind,
    actor: UserId,
    target: UserId,
    version: ActorVersion,
    present: bool,
) -> rusqlite::Result<()> {
    let upsert = format!("INSERT OR REPLACE INTO {} VALUES (?1, ?2, ?3, ?4)", table(kind));
    connection.prepare_cached(&upsert)?.execute((
        sql::column(actor.get()),
        sql::column(target.get()),
        sql::column(version.0),
        present,
    ))?;
    if kind == EdgeKind::Follow {
        mirror(connection, actor, target, present)?;
        let by = if present { 1 } else { -1 };
        count_edge(connection, actor, target, by)?;
    }
    Ok(())
}

/// Keeps the other direction of a follow edge.
pub(super) fn mirror(
    connection: &Connection,
    follower: UserId,
    followee: UserId,
    present: bool,
) -> rusqlite::Result<()> {
    let sql = if present {
        "INSERT OR IGNORE INTO followers (followee, follower) VALUES (?1, ?2)"
    } else {
        "DELETE FROM followers WHERE followee = ?1 AND follower = ?2"
    };
    connection
        .prepare_cached(sql)?
        .execute((sql::column(followee.get()), sql::column(follower.get())))?;
    Ok(())
}

/// Counts a follow edge on both its sides.
pub(super) fn count_edge(connection: &Connection, follower: UserId, followee: UserId, by: i64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE users SET following_count = following_count + ?2 WHERE id = ?1")?
        .execute((sql::column(follower.get()), by))?;
    connection
        .prepare_cached("UPDATE users SET followers_count = followers_count + ?2 WHERE id = ?1")?
        .execute((sql::column(followee.get()), by))?;
    Ok(())
}

/// All that a read needs to know of its reader. In one transaction: a view is as of one moment.
pub(super) fn reader(connection: &Connection, reader: UserId) -> rusqlite::Result<Option<ReaderView>> {
    let transaction = connection.unchecked_transaction()?;
    let Some(version) = accounts::version(&transaction, reader)? else {
        return Ok(None);
    };
    let id = sql::column(reader.get());
    let followees = transaction
        .prepare_cached(
            "SELECT followee, version FROM following WHERE follower = ?1 AND present = 1 ORDER BY followee",
        )?
        .query_map([id], |row| {
            Ok(Followee {
                id: sql::user(row.get(0)?),
                since: ActorVersion(sql::number(row.get(1)?)),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let ids = |sql: &str| -> rusqlite::Result<Vec<UserId>> {
        transaction
            .prepare_cached(sql)?
            .query_map([id], |row| row.get(0).map(sql::user))?
            .collect()
    };
    let muted = ids("SELECT target FROM mutes WHERE actor = ?1 AND present = 1 ORDER BY target")?;
    let blocked = ids("SELECT target FROM blocks WHERE actor = ?1 AND present = 1
                       UNION SELECT actor FROM blocks WHERE target = ?1 AND present = 1 ORDER BY 1")?;
    Ok(Some(ReaderView {
        reader,
        version,
        followees,
        muted,
        blocked,
    }))
}

/// What stands, or once stood, between two accounts. In one transaction: as of one moment.
pub(super) fn between(connection: &Connection, one: UserId, other: UserId) -> rusqlite::Result<Vec<EdgeRecord>> {
    let transaction = connection.unchecked_transaction()?;
    let mut found = Vec::new();
    for kind in [EdgeKind::Follow, EdgeKind::Mute, EdgeKind::Block] {
        for (actor, target) in [(one, other), (other, one)] {
            let record = |row: &Row<'_>| {
                Ok(EdgeRecord {
                    kind,
                    actor,
                    target,
                    version: ActorVersion(sql::number(row.get(0)?)),
                    present: row.get(1)?,
                })
            };
            let edge = transaction
                .prepare_cached(select_edge(kind))?
                .query_row((sql::column(actor.get()), sql::column(target.get())), record)
                .optional()?;
            found.extend(edge);
        }
    }
    Ok(found)
}

/// A page of whom an account follows.
pub(super) fn following(connection: &Connection, request: FollowerPageRequest) -> rusqlite::Result<FollowerPage> {
    let after = request.after.map_or(0, |after| bound(after.get()));
    let mut followers: Vec<UserId> = connection
        .prepare_cached(
            "SELECT followee FROM following WHERE follower = ?1 AND followee > ?2 AND present = 1
             ORDER BY followee LIMIT ?3",
        )?
        .query_map(
            (
                sql::column(request.author.get()),
                after,
                bound((request.limit as u64).saturating_add(1)),
            ),
            |row| row.get(0).map(sql::user),
        )?
        .collect::<rusqlite::Result<_>>()?;
    let more = followers.len() > request.limit;
    followers.truncate(request.limit);
    Ok(FollowerPage { followers, more })
}

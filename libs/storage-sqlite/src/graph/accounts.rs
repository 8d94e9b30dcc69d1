//! Accounts, credentials and revoked tokens.

use model::{ActorVersion, AuthorTweets, Epoch, GraphChangeKind, Session, User, UserId};
use rusqlite::{Connection, OptionalExtension, Row};
use storage::{AccountError, CreateUserError, Credentials, IdempotencyKey, NewUser, RevocationState, RevokedToken};

use super::{bound, changes, idempotency};
use crate::sql;

const USER_COLUMNS: &str = "id, handle, display_name, created_at_ms, followers_count, following_count, tweets_count";

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    Ok(User {
        id: sql::user(row.get(0)?),
        handle: row.get(1)?,
        display_name: row.get(2)?,
        created_at_ms: sql::number(row.get(3)?),
        followers_count: sql::number(row.get(4)?),
        following_count: sql::number(row.get(5)?),
        tweets_count: sql::number(row.get(6)?),
    })
}

pub(super) fn create(
    connection: &Connection,
    new: &NewUser,
    now_ms: u64,
) -> rusqlite::Result<Result<User, CreateUserError>> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO users (handle, handle_folded, display_name, created_at_ms, password_hash)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (handle_folded) DO NOTHING",
        )?
        .execute((
            new.handle.as_str(),
            new.handle.folded(),
            new.display_name.as_str(),
            sql::column(now_ms),
            new.password_hash.as_deref(),
        ))?;
    if inserted == 0 {
        return Ok(Err(CreateUserError::HandleTaken));
    }
    let id = sql::user(connection.last_insert_rowid());
    let key = new.idempotency.as_ref().map(|key| key.of(id));
    idempotency::keep(connection, key.as_ref(), now_ms)?;
    Ok(Ok(User {
        id,
        handle: new.handle.as_str().to_owned(),
        display_name: new.display_name.as_str().to_owned(),
        created_at_ms: now_ms,
        followers_count: 0,
        following_count: 0,
        tweets_count: 0,
    }))
}

pub(super) fn find(connection: &Connection, id: UserId) -> rusqlite::Result<Option<User>> {
    connection
        .prepare_cached(&format!(
            "SELECT {USER_COLUMNS} FROM users WHERE id = ?1 AND deleted_at_ms IS NULL"
        ))?
        .query_row([sql::column(id.get())], user)
        .optional()
}

pub(super) fn find_by_handle(connection: &Connection, folded: &str) -> rusqlite::Result<Option<User>> {
    connection
        .prepare_cached(&format!(
            "SELECT {USER_COLUMNS} FROM users WHERE handle_folded = ?1 AND deleted_at_ms IS NULL"
        ))?
        .query_row([folded], user)
        .optional()
}

pub(super) fn credentials(connection: &Connection, id: UserId) -> rusqlite::Result<Option<Credentials>> {
    let sql = format!(
        "SELECT {USER_COLUMNS}, password_hash, credential_version FROM users WHERE id = ?1 AND deleted_at_ms IS NULL"
    );
    let read = |row: &Row<'_>| {
        Ok(Credentials {
            user: user(row)?,
            password_hash: row.get(7)?,
            credential_version: row.get(8)?,
            // There is one.
            epoch: Epoch::default(),
        })
    };
    connection
        .prepare_cached(&sql)?
        .query_row([sql::column(id.get())], read)
        .optional()
}

/// The actor version of a live account.
pub(super) fn version(connection: &Connection, id: UserId) -> rusqlite::Result<Option<ActorVersion>> {
    connection
        .prepare_cached("SELECT actor_version FROM users WHERE id = ?1 AND deleted_at_ms IS NULL")?
        .query_row([sql::column(id.get())], |row| {
            Ok(ActorVersion(sql::number(row.get(0)?)))
        })
        .optional()
}

/// Raises the actor version by one.
pub(super) fn raise_version(connection: &Connection, id: UserId) -> rusqlite::Result<ActorVersion> {
    connection
        .prepare_cached("UPDATE users SET actor_version = actor_version + 1 WHERE id = ?1 RETURNING actor_version")?
        .query_row([sql::column(id.get())], |row| {
            Ok(ActorVersion(sql::number(row.get(0)?)))
        })
}

/// A new password, over credentials of version `seen`.
pub(super) fn change_password(
    connection: &Connection,
    id: UserId,
    seen: u32,
    password_hash: &str,
    key: Option<&IdempotencyKey>,
    now_ms: u64,
) -> rusqlite::Result<Result<u32, AccountError>> {
    let current: Option<u32> = connection
        .prepare_cached("SELECT credential_version FROM users WHERE id = ?1 AND deleted_at_ms IS NULL")?
        .query_row([sql::column(id.get())], |row| row.get(0))
        .optional()?;
    let Some(current) = current else {
        return Ok(Err(AccountError::NoSuchUser));
    };
    match idempotency::done(connection, key, now_ms)? {
        Err(conflict) => return Ok(Err(conflict.into())),
        Ok(true) => return Ok(Ok(current)),
        Ok(false) => {}
    }
    if current != seen {
        return Ok(Err(AccountError::CredentialsChanged));
    }
    connection
        .prepare_cached("UPDATE users SET password_hash = ?2, credential_version = ?3 WHERE id = ?1")?
        .execute((sql::column(id.get()), password_hash, current + 1))?;
    sessions_revoked(connection, id, now_ms)?;
    idempotency::keep(connection, key, now_ms)?;
    Ok(Ok(current + 1))
}

/// Logs a token out, and drops a few that have ended by themselves.
pub(super) fn revoke(connection: &Connection, session: &Session, now_ms: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM revoked WHERE token_id IN (SELECT token_id FROM revoked WHERE expires_at_s <= ?1 LIMIT 4)",
        )?
        .execute([sql::column(now_ms / 1000)])?;
    let revoked = connection
        .prepare_cached(
            "INSERT OR IGNORE INTO revoked (token_id, user, credential_version, expires_at_s) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute((
            &session.token_id,
            sql::column(session.user.get()),
            session.credential_version,
            sql::column(session.expires_at_s),
        ))?;
    if revoked > 0 {
        sessions_revoked(connection, session.user, now_ms)?;
    }
    Ok(())
}

/// Tells the replicas. No edge has changed, so the actor version stays.
fn sessions_revoked(connection: &Connection, id: UserId, now_ms: u64) -> rusqlite::Result<()> {
    if let Some(version) = version(connection, id)? {
        changes::append(connection, id, version, GraphChangeKind::SessionsRevoked, id, now_ms)?;
    }
    Ok(())
}

pub(super) fn drop_ended_tokens(connection: &Connection, now_s: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM revoked WHERE expires_at_s <= ?1")?
        .execute([sql::column(now_s)])?;
    Ok(())
}

pub(super) fn revocations(connection: &Connection, now_s: u64) -> rusqlite::Result<RevocationState> {
    let tokens = connection
        .prepare_cached("SELECT token_id, expires_at_s FROM revoked WHERE expires_at_s > ?1")?
        .query_map([sql::column(now_s)], |row| {
            Ok(RevokedToken {
                token_id: row.get(0)?,
                expires_at_s: sql::number(row.get(1)?),
            })
        })?
        .collect::<rusqlite::Result<_>>()?;
    let credential_versions = connection
        .prepare_cached("SELECT id, credential_version FROM users WHERE credential_version > 1")?
        .query_map([], |row| Ok((sql::user(row.get(0)?), row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let deleted = connection
        .prepare_cached("SELECT id FROM users WHERE deleted_at_ms IS NOT NULL")?
        .query_map([], |row| row.get(0).map(sql::user))?
        .collect::<rusqlite::Result<_>>()?;
    Ok(RevocationState {
        tokens,
        credential_versions,
        deleted,
    })
}

pub(super) fn delete(connection: &Connection, id: UserId, now_ms: u64) -> rusqlite::Result<Result<(), AccountError>> {
    if version(connection, id)?.is_none() {
        return Ok(Err(AccountError::NoSuchUser));
    }
    let version = raise_version(connection, id)?;
    connection
        .prepare_cached("UPDATE users SET deleted_at_ms = ?2, password_hash = NULL WHERE id = ?1")?
        .execute((sql::column(id.get()), sql::column(now_ms)))?;
    changes::append(connection, id, version, GraphChangeKind::AccountDeleted, id, now_ms)?;
    Ok(Ok(()))
}

pub(super) fn set_tweet_counts(connection: &Connection, counts: &[(UserId, AuthorTweets)]) -> rusqlite::Result<()> {
    let mut update = connection.prepare_cached(
        "UPDATE users SET tweets_count = ?2, tweets_version = ?3 WHERE id = ?1 AND tweets_version < ?3",
    )?;
    for (id, tweets) in counts {
        update.execute((
            sql::column(id.get()),
            sql::column(tweets.count),
            sql::column(tweets.version),
        ))?;
    }
    Ok(())
}

/// Live accounts with at least this many followers.
pub(super) fn authors_with(connection: &Connection, followers: u64) -> rusqlite::Result<Vec<(UserId, u64)>> {
    // The literal lets the planner use the partial index.
    let indexed = if followers >= 64 {
        "followers_count >= 64 AND"
    } else {
        ""
    };
    let sql = format!(
        "SELECT id, followers_count FROM users WHERE {indexed} followers_count >= ?1 AND deleted_at_ms IS NULL"
    );
    connection
        .prepare_cached(&sql)?
        .query_map([bound(followers)], |row| {
            Ok((sql::user(row.get(0)?), sql::number(row.get(1)?)))
        })?
        .collect()
}

pub(super) fn followers_count(connection: &Connection, id: UserId) -> rusqlite::Result<u64> {
    let count: Option<i64> = connection
        .prepare_cached("SELECT followers_count FROM users WHERE id = ?1 AND deleted_at_ms IS NULL")?
        .query_row([sql::column(id.get())], |row| row.get(0))
        .optional()?;
    Ok(count.map_or(0, sql::number))
}

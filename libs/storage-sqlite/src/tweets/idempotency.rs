//! Which requests have been done.

use model::TweetId;
use rusqlite::{Connection, OptionalExtension};
use storage::{IdempotencyConflict, IdempotencyKey};

use crate::sql;

const KEPT_MS: u64 = 24 * 3_600_000;

/// How many keys one write may drop: enough to keep up, few enough not to be felt.
const PRUNED_AT_ONCE: u64 = 4;

/// The tweet that the request with this key was about, if it has been done within the last 24 hours.
pub(super) fn find(
    connection: &Connection,
    key: &IdempotencyKey,
    now_ms: u64,
) -> rusqlite::Result<Result<Option<TweetId>, IdempotencyConflict>> {
    let found: Option<(Vec<u8>, i64)> = connection
        .prepare_cached(
            "SELECT body_digest, tweet FROM idempotency
             WHERE account = ?1 AND operation = ?2 AND key = ?3 AND expires_at_ms > ?4",
        )?
        .query_row(
            (
                sql::column(key.account.get()),
                &key.operation,
                &key.key,
                sql::column(now_ms),
            ),
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    Ok(match found {
        Some((digest, _)) if digest != key.body_digest => Err(IdempotencyConflict),
        found => Ok(found.map(|(_, tweet)| sql::tweet(tweet))),
    })
}

/// Keeps the key with the write, and drops a few of those that have expired.
pub(super) fn keep(connection: &Connection, key: &IdempotencyKey, tweet: TweetId, now_ms: u64) -> rusqlite::Result<()> {
    prune(connection, now_ms)?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (account, operation, key, body_digest, tweet, expires_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute((
            sql::column(key.account.get()),
            &key.operation,
            &key.key,
            &key.body_digest[..],
            sql::column(tweet.get()),
            sql::column(now_ms + KEPT_MS),
        ))?;
    Ok(())
}

/// Rows are in order of time, so the expired ones are the first.
fn prune(connection: &Connection, now_ms: u64) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE sequence IN
                 (SELECT sequence FROM (SELECT sequence, expires_at_ms FROM idempotency ORDER BY sequence LIMIT ?1)
                  WHERE expires_at_ms <= ?2)",
        )?
        .execute((sql::column(PRUNED_AT_ONCE), sql::column(now_ms)))?;
    Ok(())
}

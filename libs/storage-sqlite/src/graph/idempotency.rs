//! Which requests have been done.

use rusqlite::{Connection, OptionalExtension};
use storage::{IdempotencyConflict, IdempotencyKey};

use crate::sql;

const KEPT_MS: u64 = 24 * 3_600_000;

/// Whether this request has been done.
pub(super) fn done(
    connection: &Connection,
    key: Option<&IdempotencyKey>,
    now_ms: u64,
) -> rusqlite::Result<Result<bool, IdempotencyConflict>> {
    let Some(key) = key else { return Ok(Ok(false)) };
    let digest: Option<Vec<u8>> = connection
        .prepare_cached(
            "SELECT body_digest FROM idempotency
             WHERE account = ?1 AND operation = ?2 AND key = ?3 AND expires_at_ms > ?4",
        )?
        .query_row(
            (
                sql::column(key.account.get()),
                &key.operation,
                &key.key,
                sql::column(now_ms),
            ),
            |row| row.get(0),
        )
        .optional()?;
    Ok(match digest {
        Some(digest) if digest != key.body_digest => Err(IdempotencyConflict),
        digest => Ok(digest.is_some()),
    })
}

/// Keeps the key with the write, and drops a few that have expired: rows are in order of time.
pub(super) fn keep(connection: &Connection, key: Option<&IdempotencyKey>, now_ms: u64) -> rusqlite::Result<()> {
    let Some(key) = key else { return Ok(()) };
    connection
        .prepare_cached(
            "DELETE FROM idempotency WHERE sequence IN
                 (SELECT sequence FROM (SELECT sequence, expires_at_ms FROM idempotency ORDER BY sequence LIMIT 4)
                  WHERE expires_at_ms <= ?1)",
        )?
        .execute([sql::column(now_ms)])?;
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (account, operation, key, body_digest, expires_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute((
            sql::column(key.account.get()),
            &key.operation,
            &key.key,
            &key.body_digest[..],
            sql::column(now_ms + KEPT_MS),
        ))?;
    Ok(())
}

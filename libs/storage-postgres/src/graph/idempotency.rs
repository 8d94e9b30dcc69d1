//! Which requests have been done. Asked under the lock of the account, but for sign-ups: theirs comes with the account.

use deadpool_postgres::{GenericClient, Transaction};
use storage::{Deadline, IdempotencyConflict, IdempotencyKey, StoreError};

use crate::ask;
use crate::sql;

const KEPT_MS: u64 = 24 * 3_600_000;

pub(crate) const FIND: &str = "SELECT body_digest FROM account_idempotency_keys
    WHERE account = $1 AND operation = $2 AND key = $3 AND expires_at_ms > $4";

pub(crate) const KEEP: &str =
    "INSERT INTO account_idempotency_keys (account, operation, key, body_digest, expires_at_ms)
    VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (account, operation, key) DO UPDATE
        SET body_digest = excluded.body_digest, expires_at_ms = excluded.expires_at_ms";

/// Whether this request has been done.
pub(super) async fn done(
    client: &impl GenericClient,
    key: Option<&IdempotencyKey>,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Result<bool, IdempotencyConflict>, StoreError> {
    let Some(key) = key else { return Ok(Ok(false)) };
    let row = ask::query_opt(
        client,
        deadline,
        FIND,
        &[
            &sql::column(key.account.get()),
            &key.operation,
            &key.key,
            &sql::column(now_ms),
        ],
    )
    .await?;
    Ok(is_done(Some(key), row.map(|row| row.get(0))))
}

/// Account, operation and name of a key.
pub(super) fn columns(key: Option<&IdempotencyKey>) -> (Option<i64>, Option<&str>, Option<&str>) {
    (
        key.map(|key| sql::column(key.account.get())),
        key.map(|key| key.operation.as_str()),
        key.map(|key| key.key.as_str()),
    )
}

/// Whether the request of `key` has been done, by the digest that is kept under it.
pub(super) fn is_done(key: Option<&IdempotencyKey>, kept: Option<Vec<u8>>) -> Result<bool, IdempotencyConflict> {
    match (key, kept) {
        (Some(key), Some(digest)) if digest != key.body_digest => Err(IdempotencyConflict),
        (_, kept) => Ok(kept.is_some()),
    }
}

/// Until when a key is kept.
pub(super) fn ends(now_ms: u64) -> i64 {
    sql::column(now_ms + KEPT_MS)
}

/// Keeps the key with the write.
pub(super) async fn keep(
    transaction: &Transaction<'_>,
    key: Option<&IdempotencyKey>,
    now_ms: u64,
    deadline: Deadline,
) -> Result<(), StoreError> {
    let Some(key) = key else { return Ok(()) };
    let (account, ends) = (sql::column(key.account.get()), ends(now_ms));
    ask::execute(
        transaction,
        deadline,
        KEEP,
        &[&account, &key.operation, &key.key, &&key.body_digest[..], &ends],
    )
    .await?;
    Ok(())
}

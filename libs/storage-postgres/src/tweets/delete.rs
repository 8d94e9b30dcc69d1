//! Deleting: a tombstone, its event and its count, in one commit.

use deadpool_postgres::GenericClient;
use model::{EVENT_FORMAT, Event, EventBody, Position};
use storage::{Deadline, DeleteTweet, DeleteTweetError, StoreError};

use super::outbox::DELETED;
use super::{STORE, idempotency};
use crate::ask::{query_opt, within};
use crate::pool::PostgresPool;
use crate::sql;

pub(crate) const ENTOMB: &str = "WITH gone AS (
        UPDATE tweets SET deleted_at_ms = $3 WHERE id = $1 AND author = $2 AND deleted_at_ms IS NULL
        RETURNING id, author
    ), counts AS (
        INSERT INTO tweet_count_deltas (author, delta) SELECT author, -1 FROM gone
    )
    INSERT INTO outbox (format, kind, tweet, author, trace) SELECT $4, $5, id, author, $6 FROM gone
    RETURNING position";

pub(crate) const WHOSE: &str = "SELECT author, deleted_at_ms IS NOT NULL FROM tweets WHERE id = $1";

pub(super) async fn run(
    pool: &PostgresPool,
    delete: DeleteTweet,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Option<Event>, DeleteTweetError> {
    let mut client = pool.client(deadline).await?;
    let transaction = within(deadline, client.transaction()).await?;
    if let Some(key) = &delete.idempotency
        && !idempotency::keep(&transaction, key, delete.id, now_ms, deadline).await?
    {
        return repeated(&transaction, key, now_ms, deadline).await;
    }
    let position = entomb(&transaction, &delete, now_ms, deadline).await?;
    if position.is_none() {
        refuse(&transaction, &delete, deadline).await?;
    }
    within(deadline, transaction.commit()).await?;
    Ok(position.map(|position| Event {
        format: EVENT_FORMAT,
        position,
        trace: delete.trace,
        body: EventBody::TweetDeleted {
            tweet: delete.id,
            author: delete.by,
        },
    }))
}

/// The key was taken by the same request, or it is another one's.
async fn repeated(
    transaction: &impl GenericClient,
    key: &storage::IdempotencyKey,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Option<Event>, DeleteTweetError> {
    let replays = idempotency::replays(transaction, &[key], now_ms, deadline).await?;
    match replays.into_iter().flatten().next() {
        Some(replay) => Ok(replay.map(|_| None)?),
        None => Err(StoreError::unavailable(STORE, "a key ended just now").into()),
    }
}

async fn entomb(
    transaction: &impl GenericClient,
    delete: &DeleteTweet,
    now_ms: u64,
    deadline: Deadline,
) -> Result<Option<Position>, StoreError> {
    let entombed = query_opt(
        transaction,
        deadline,
        ENTOMB,
        &[
            &sql::column(delete.id.get()),
            &sql::column(delete.by.get()),
            &sql::column(now_ms),
            &i16::try_from(EVENT_FORMAT).expect("formats are counted in dozens"),
            &DELETED,
            &delete.trace.as_ref().map(|trace| trace.0.as_str()),
        ],
    )
    .await?;
    Ok(entombed.map(|row| Position(sql::number(row.get(0)))))
}

/// Why nothing was deleted; it is no refusal when the author has deleted it before.
async fn refuse(
    transaction: &impl GenericClient,
    delete: &DeleteTweet,
    deadline: Deadline,
) -> Result<(), DeleteTweetError> {
    let row = query_opt(transaction, deadline, WHOSE, &[&sql::column(delete.id.get())]).await?;
    let (author, is_deleted) = row
        .map(|row| (sql::user(row.get(0)), row.get(1)))
        .ok_or(DeleteTweetError::NotFound)?;
    match (author == delete.by, is_deleted) {
        (true, _) => Ok(()),
        (false, true) => Err(DeleteTweetError::NotFound),
        (false, false) => Err(DeleteTweetError::NotAuthor),
    }
}

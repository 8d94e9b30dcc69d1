//! Writes that are done once.

use ahash::AHashMap;
use deadpool_postgres::GenericClient;
use model::{Tweet, TweetId};
use storage::{Deadline, IdempotencyConflict, IdempotencyKey, StoreError};

use super::{STORE, row};
use crate::ask::{query, query_opt};
use crate::sql;

/// How long a key is kept.
pub(super) const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// What a key stands for: the tweet, even if it has been deleted since; or another request.
pub(super) type Replay = Result<Tweet, IdempotencyConflict>;

pub(crate) const FIND: &str = "SELECT asked.number, body_digest, tweet
    FROM unnest($1::bigint[], $2::text[], $3::text[]) WITH ORDINALITY AS asked (account, operation, key, number)
    JOIN idempotency_keys USING (account, operation, key)
    WHERE expires_at_ms > $4";

/// What these keys stand for, by their place in `keys`; `None` for those that are not taken, or have ended.
pub(super) async fn replays(
    client: &impl GenericClient,
    keys: &[&IdempotencyKey],
    now_ms: u64,
    deadline: Deadline,
) -> Result<Vec<Option<Replay>>, StoreError> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut found: Vec<Option<Result<TweetId, IdempotencyConflict>>> = find(client, keys, now_ms, deadline).await?;
    let ids: Vec<TweetId> = found.iter().flatten().filter_map(|found| found.ok()).collect();
    let tweets = row::find(client, &ids, deadline).await?.into_iter();
    let tweets: AHashMap<TweetId, Tweet> = tweets.map(|row| (row.tweet.id, row.tweet)).collect();
    let replay = |found: &mut Option<_>| match found.take() {
        Some(Ok(id)) => tweets.get(&id).cloned().map(|tweet| Some(Ok(tweet))).ok_or(id),
        Some(Err(conflict)) => Ok(Some(Err(conflict))),
        None => Ok(None),
    };
    let all: Result<_, TweetId> = found.iter_mut().map(replay).collect();
    all.map_err(|id| StoreError::Corrupt {
        store: STORE,
        what: format!("an idempotency key stands for the tweet {id}, which is not there"),
    })
}

async fn find(
    client: &impl GenericClient,
    keys: &[&IdempotencyKey],
    now_ms: u64,
    deadline: Deadline,
) -> Result<Vec<Option<Result<TweetId, IdempotencyConflict>>>, StoreError> {
    let accounts: Vec<i64> = keys.iter().map(|key| sql::column(key.account.get())).collect();
    let operations: Vec<&str> = keys.iter().map(|key| key.operation.as_str()).collect();
    let names: Vec<&str> = keys.iter().map(|key| key.key.as_str()).collect();
    let rows = query(
        client,
        deadline,
        FIND,
        &[&accounts, &operations, &names, &sql::column(now_ms)],
    )
    .await?;
    let mut found = vec![None; keys.len()];
    for row in rows {
        let at = usize::try_from(row.get::<_, i64>(0) - 1).expect("rows are numbered from one");
        let is_same = row.get::<_, &[u8]>(1) == keys[at].body_digest;
        found[at] = Some(if is_same {
            Ok(sql::tweet(row.get(2)))
        } else {
            Err(IdempotencyConflict)
        });
    }
    Ok(found)
}

/// Takes a key over if nobody holds it. Waits for whoever is just committing it.
pub(crate) const KEEP: &str = "INSERT INTO idempotency_keys AS held
        (account, operation, key, body_digest, tweet, expires_at_ms)
    VALUES ($1, $2, $3, $4, $5, $6)
    ON CONFLICT (account, operation, key) DO UPDATE
        SET body_digest = excluded.body_digest, tweet = excluded.tweet, expires_at_ms = excluded.expires_at_ms
        WHERE held.expires_at_ms <= $7
    RETURNING true";

/// Takes a key over; `false` when it is taken.
pub(super) async fn keep(
    client: &impl GenericClient,
    key: &IdempotencyKey,
    tweet: TweetId,
    now_ms: u64,
    deadline: Deadline,
) -> Result<bool, StoreError> {
    let kept = query_opt(
        client,
        deadline,
        KEEP,
        &[
            &sql::column(key.account.get()),
            &key.operation,
            &key.key,
            &&key.body_digest[..],
            &sql::column(tweet.get()),
            &sql::column(now_ms + KEPT_MS),
            &sql::column(now_ms),
        ],
    )
    .await?;
    Ok(kept.is_some())
}

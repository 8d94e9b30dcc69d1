//! One statement for a batch, which is a transaction by itself.

use std::time::Instant;

use ahash::AHashMap;
use model::{EVENT_FORMAT, Event, EventBody, Position, Tweet, TweetId};
use storage::{Deadline, IdempotencyKey, Inserted, StoreError};
use tokio_postgres::Row;

use super::{COMMIT_WITHIN, Drawn, Outcome, repeated};
use crate::ask::query;
use crate::pool::PostgresPool;
use crate::sql;
use crate::tweets::idempotency;
use crate::tweets::outbox::ACCEPTED;
use crate::tweets::worker::{LEASE, Lease};

/// Everything that accepted tweets are, if the lease holds and all ids lie above its floor: then one row is without a
/// tweet. The others are the tweets that were accepted; those whose key is taken are not. Keys are written in one order
/// everywhere, so that two batches with the same keys do not wait for each other in a circle.
pub(crate) const INSERT: &str = "WITH lease AS (
        UPDATE ingest_workers
        SET floor = $4, expires_at = clock_timestamp() + $5::double precision * interval '1 second'
        WHERE worker_id = $1 AND holder = $2 AND floor < $3 AND expires_at > clock_timestamp()
        RETURNING true
    ), asked AS (
        SELECT asked.*
        FROM lease, unnest($6::bigint[], $7::bigint[], $8::text[], $9::text[], $10::text[], $11::bigint[], $12::text[],
            $13::bigint[], $14::text[], $15::text[], $16::bytea[])
            AS asked (id, author, handle, display_name, text, in_reply_to, trace, account, operation, key, body_digest)
    ), kept AS (
        INSERT INTO idempotency_keys AS held (account, operation, key, body_digest, tweet, expires_at_ms)
        SELECT account, operation, key, body_digest, id, $18 FROM asked WHERE key IS NOT NULL
        ORDER BY account, operation, key
        ON CONFLICT (account, operation, key) DO UPDATE
            SET body_digest = excluded.body_digest, tweet = excluded.tweet, expires_at_ms = excluded.expires_at_ms
            WHERE held.expires_at_ms <= $17
        RETURNING tweet
    ), new AS (
        SELECT * FROM asked WHERE key IS NULL OR id IN (SELECT tweet FROM kept)
    ), tweets AS (
        INSERT INTO tweets (author, id, handle, display_name, text, in_reply_to)
        SELECT author, id, handle, display_name, text, in_reply_to FROM new
    ), counts AS (
        INSERT INTO tweet_count_deltas (author, delta) SELECT author, count(*) FROM new GROUP BY author
    ), events AS (
        INSERT INTO outbox (format, kind, tweet, author, trace)
        SELECT $19, $20, id, author, trace FROM new ORDER BY id
        RETURNING tweet, position
    )
    SELECT tweet, position FROM events UNION ALL SELECT NULL, NULL FROM lease";

/// Commits a batch, of which no two may have the same key, and renews the lease with it. `None` when the lease has ended,
/// or the ids lie at or below the floor: then nothing was done, and nothing of it ever will be.
pub(super) async fn run(
    pool: &PostgresPool,
    lease: &mut Lease,
    drawn: &[Drawn],
    now_ms: u64,
) -> Result<Option<Vec<Outcome>>, StoreError> {
    let deadline = Deadline::after(COMMIT_WITHIN);
    let client = pool.client(deadline).await?;
    let asked = Instant::now();
    let columns = Columns::from(drawn);
    let (lowest, highest) = (columns.ids.iter().min(), columns.ids.iter().max());
    let rows = query(
        &client,
        deadline,
        INSERT,
        &[
            &lease.worker,
            &lease.holder,
            &lowest,
            &highest,
            &LEASE.as_secs_f64(),
            &columns.ids,
            &columns.authors,
            &columns.handles,
            &columns.display_names,
            &columns.texts,
            &columns.replies,
            &columns.traces,
            &columns.accounts,
            &columns.operations,
            &columns.keys,
            &columns.digests,
            &sql::column(now_ms),
            &sql::column(now_ms + idempotency::KEPT_MS),
            &i16::try_from(EVENT_FORMAT).expect("formats are counted in dozens"),
            &ACCEPTED,
        ],
    )
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    lease.renewed(asked);
    let accepted: AHashMap<TweetId, Position> = rows.iter().filter_map(position).collect();
    let taken = |drawn: &&Drawn| !accepted.contains_key(&drawn.id);
    let keys: Vec<&IdempotencyKey> = drawn.iter().filter(taken).filter_map(Drawn::key).collect();
    let mut replays = idempotency::replays(&client, &keys, now_ms, deadline)
        .await?
        .into_iter();
    let outcome = |drawn: &Drawn| match accepted.get(&drawn.id) {
        Some(position) => Ok(drawn.accepted(*position)),
        None => repeated(replays.next().flatten()),
    };
    Ok(Some(drawn.iter().map(outcome).collect()))
}

fn position(row: &Row) -> Option<(TweetId, Position)> {
    let tweet: Option<i64> = row.get(0);
    Some((sql::tweet(tweet?), Position(sql::number(row.get::<_, Option<i64>>(1)?))))
}

impl Drawn {
    fn key(&self) -> Option<&IdempotencyKey> {
        self.job.tweet.idempotency.as_ref()
    }

    fn accepted(&self, position: Position) -> Inserted {
        let new = &self.job.tweet;
        let tweet = Tweet {
            id: self.id,
            author: new.author.clone(),
            text: new.text.clone(),
            in_reply_to: new.in_reply_to,
        };
        let event = Event {
            format: EVENT_FORMAT,
            position,
            trace: new.trace.clone(),
            body: EventBody::TweetAccepted {
                tweet: self.id,
                author: new.author.id,
            },
        };
        Inserted::Accepted(tweet, event)
    }
}

/// A batch by columns.
struct Columns<'a> {
    ids: Vec<i64>,
    authors: Vec<i64>,
    handles: Vec<&'a str>,
    display_names: Vec<&'a str>,
    texts: Vec<&'a str>,
    replies: Vec<Option<i64>>,
    traces: Vec<Option<&'a str>>,
    accounts: Vec<Option<i64>>,
    operations: Vec<Option<&'a str>>,
    keys: Vec<Option<&'a str>>,
    digests: Vec<Option<&'a [u8]>>,
}

impl<'a> From<&'a [Drawn]> for Columns<'a> {
    fn from(drawn: &'a [Drawn]) -> Self {
        let tweets = || drawn.iter().map(|drawn| &drawn.job.tweet);
        let keys = || drawn.iter().map(Drawn::key);
        Self {
            ids: drawn.iter().map(|drawn| sql::column(drawn.id.get())).collect(),
            authors: tweets().map(|tweet| sql::column(tweet.author.id.get())).collect(),
            handles: tweets().map(|tweet| tweet.author.handle.as_str()).collect(),
            display_names: tweets().map(|tweet| tweet.author.display_name.as_str()).collect(),
            texts: tweets().map(|tweet| tweet.text.as_str()).collect(),
            replies: tweets()
                .map(|tweet| tweet.in_reply_to.map(|id| sql::column(id.get())))
                .collect(),
            traces: tweets()
                .map(|tweet| tweet.trace.as_ref().map(|trace| trace.0.as_str()))
                .collect(),
            accounts: keys().map(|key| Some(sql::column(key?.account.get()))).collect(),
            operations: keys().map(|key| Some(key?.operation.as_str())).collect(),
            keys: keys().map(|key| Some(key?.key.as_str())).collect(),
            digests: keys().map(|key| Some(&key?.body_digest[..])).collect(),
        }
    }
}

//! The books of fan-out.
//!
//! A record carries the sums of its finished chunks and how many are left, so that finishing a chunk costs the same
//! however many there are. What is finished keeps its figures, so a chunk that is reported twice counts once.

mod books;
mod row;
pub(crate) mod statements;

use std::time::Duration;

use async_trait::async_trait;
use model::{ChunkPlan, DeliveryPlan, DeliveryRecord, TweetId, UserId};
use storage::{Books, ChunkRecord, ChunkResult, ClosedRange, Deadline, DeliveryStore, PendingChunk, StoreError, Tally};

use crate::ask::{execute, query, query_one, query_opt, within};
use crate::pool::PostgresPool;
use crate::sql;
use row::{ChunkColumns, ResultColumns, ids};

const STORE: &str = "delivery records";

/// Delivery records on PostgreSQL.
pub struct PostgresDeliveries {
    pool: PostgresPool,
}

impl PostgresDeliveries {
    /// Over this pool.
    pub fn new(pool: PostgresPool) -> Self {
        Self { pool }
    }
}

#[async_trait]
impl DeliveryStore for PostgresDeliveries {
    async fn get(&self, tweets: &[TweetId], deadline: Deadline) -> Result<Vec<Option<DeliveryRecord>>, StoreError> {
        if tweets.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        let rows = query(&client, deadline, statements::GET, &[&ids(tweets)]).await?;
        let mut found = ahash::AHashMap::with_capacity(rows.len());
        for row in &rows {
            // As if there were none: the tweet is delivered as this build does it too, and the record stays as it is.
            match row::record(row) {
                Ok(record) => _ = found.insert(record.tweet, record),
                Err(error) => tracing::warn!(%error, "a delivery record of a later version is passed over"),
            }
        }
        Ok(tweets.iter().map(|tweet| found.get(tweet).cloned()).collect())
    }

    async fn chunk_of(
        &self,
        tweet: TweetId,
        follower: UserId,
        deadline: Deadline,
    ) -> Result<Option<ChunkRecord>, StoreError> {
        let client = self.pool.client(deadline).await?;
        let (tweet, follower) = (sql::column(tweet.get()), sql::column(follower.get()));
        let found = query_opt(&client, deadline, statements::CHUNK_OF, &[&tweet, &follower]).await?;
        Ok(found.as_ref().map(row::chunk))
    }

    async fn record(&self, done: Vec<DeliveryRecord>, deadline: Deadline) -> Result<(), StoreError> {
        if done.is_empty() {
            return Ok(());
        }
        let numbers = |value: fn(&DeliveryRecord) -> u64| -> Vec<i64> {
            done.iter().map(|record| sql::column(value(record))).collect()
        };
        let modes: Vec<i16> = done.iter().map(|record| row::column_of_mode(record.mode)).collect();
        let finished = done.iter().map(|record| record.finished_at_ms.map(sql::column));
        let finished: Vec<Option<i64>> = finished.collect();
        let client = self.pool.client(deadline).await?;
        execute(
            &client,
            deadline,
            statements::RECORD,
            &[
                &numbers(|record| record.tweet.get()),
                &numbers(|record| record.author.get()),
                &modes,
                &numbers(|record| record.expected),
                &numbers(|record| record.written),
                &numbers(|record| record.skipped),
                &numbers(|record| record.unfollowed),
                &numbers(|record| record.accepted_at_ms),
                &finished,
            ],
        )
        .await?;
        Ok(())
    }

    async fn open(&self, plans: Vec<DeliveryPlan>, deadline: Deadline) -> Result<(), StoreError> {
        if plans.is_empty() {
            return Ok(());
        }
        let numbers = |value: fn(&DeliveryPlan) -> u64| -> Vec<i64> {
            plans.iter().map(|plan| sql::column(value(plan))).collect()
        };
        let modes: Vec<i16> = plans.iter().map(|plan| row::column_of_mode(plan.mode)).collect();
        let client = self.pool.client(deadline).await?;
        execute(
            &client,
            deadline,
            statements::OPEN,
            &[
                &numbers(|plan| plan.tweet.get()),
                &numbers(|plan| plan.author.get()),
                &modes,
                &numbers(|plan| plan.accepted_at_ms),
            ],
        )
        .await?;
        Ok(())
    }

    async fn cut(&self, tweet: TweetId, chunks: Vec<ChunkPlan>, deadline: Deadline) -> Result<(), StoreError> {
        let columns = ChunkColumns::from(&chunks[..]);
        let mut client = self.pool.client(deadline).await?;
        let transaction = within(deadline, client.transaction()).await?;
        execute(&transaction, deadline, statements::LOCK, &[&ids(&[tweet])]).await?;
        execute(
            &transaction,
            deadline,
            statements::CUT,
            &[
                &sql::column(tweet.get()),
                &columns.numbers,
                &columns.afters,
                &columns.lasts,
                &columns.expected,
            ],
        )
        .await?;
        within(deadline, transaction.commit()).await
    }

    async fn lease(
        &self,
        lease: Duration,
        max_tries: u32,
        deadline: Deadline,
    ) -> Result<Option<PendingChunk>, StoreError> {
        let client = self.pool.client(deadline).await?;
        let max_tries = i32::try_from(max_tries).unwrap_or(i32::MAX);
        let taken = query_opt(
            &client,
            deadline,
            statements::LEASE,
            &[&lease.as_secs_f64(), &max_tries],
        )
        .await?;
        taken.as_ref().map(row::pending).transpose()
    }

    async fn renew(&self, tweet: TweetId, number: u32, lease: Duration, deadline: Deadline) -> Result<(), StoreError> {
        let client = self.pool.client(deadline).await?;
        let (tweet, number) = (sql::column(tweet.get()), row::chunk_number(number));
        execute(
            &client,
            deadline,
            statements::RENEW,
            &[&tweet, &number, &lease.as_secs_f64()],
        )
        .await?;
        Ok(())
    }

    async fn give_back(&self, tweet: TweetId, number: u32, counts: bool, deadline: Deadline) -> Result<(), StoreError> {
        let client = self.pool.client(deadline).await?;
        let (tweet, number) = (sql::column(tweet.get()), row::chunk_number(number));
        let uncounted = i32::from(!counts);
        execute(&client, deadline, statements::GIVE_BACK, &[&tweet, &number, &uncounted]).await?;
        Ok(())
    }

    async fn list_aside(&self, limit: usize, deadline: Deadline) -> Result<Vec<PendingChunk>, StoreError> {
        let client = self.pool.client(deadline).await?;
        let rows = query(&client, deadline, statements::LIST_ASIDE, &[&sql::limit(limit)]).await?;
        rows.iter().map(row::pending).collect()
    }

    async fn replay_aside(&self, deadline: Deadline) -> Result<usize, StoreError> {
        let client = self.pool.client(deadline).await?;
        let replayed = execute(&client, deadline, statements::REPLAY_ASIDE, &[]).await?;
        Ok(usize::try_from(replayed).unwrap_or(usize::MAX))
    }

    async fn finish(&self, chunks: Vec<ChunkResult>, deadline: Deadline) -> Result<Vec<TweetId>, StoreError> {
        if chunks.is_empty() {
            return Ok(Vec::new());
        }
        let mut tweets: Vec<TweetId> = chunks.iter().map(|chunk| chunk.tweet).collect();
        tweets.sort_unstable();
        tweets.dedup();
        let (tweets, columns) = (ids(&tweets), ResultColumns::from(&chunks[..]));
        let mut client = self.pool.client(deadline).await?;
        let transaction = within(deadline, client.transaction()).await?;
        execute(&transaction, deadline, statements::LOCK, &[&tweets]).await?;
        execute(
            &transaction,
            deadline,
            statements::FINISH,
            &[
                &columns.tweets,
                &columns.numbers,
                &columns.written,
                &columns.skipped,
                &columns.unfollowed,
                &columns.finished_at_ms,
            ],
        )
        .await?;
        let rows = query(&transaction, deadline, statements::FINISHED, &[&tweets]).await?;
        within(deadline, transaction.commit()).await?;
        Ok(rows.iter().map(|row| sql::tweet(row.get(0))).collect())
    }

    async fn tally(&self, above: TweetId, up_to: TweetId, deadline: Deadline) -> Result<Tally, StoreError> {
        books::tally(&self.pool, above, up_to, deadline).await
    }

    async fn deliveries_pending(&self, deadline: Deadline) -> Result<u64, StoreError> {
        books::pending(&self.pool, deadline).await
    }

    async fn books(&self, deadline: Deadline) -> Result<Option<Books>, StoreError> {
        books::read(&self.pool, deadline).await
    }

    async fn begin_books(&self, closed: TweetId, now_ms: u64, deadline: Deadline) -> Result<(), StoreError> {
        books::begin(&self.pool, closed, now_ms, deadline).await
    }

    async fn close_books(&self, range: ClosedRange, now_ms: u64, deadline: Deadline) -> Result<bool, StoreError> {
        books::close(&self.pool, &range, now_ms, deadline).await
    }

    async fn prune(&self, before_unix_ms: u64, limit: usize, deadline: Deadline) -> Result<usize, StoreError> {
        let client = self.pool.client(deadline).await?;
        let (before_ms, limit) = (sql::column(before_unix_ms), sql::limit(limit));
        let pruned = query_one(&client, deadline, statements::PRUNE, &[&before_ms, &limit]).await?;
        let pruned: i64 = pruned.get(0);
        Ok(usize::try_from(pruned).expect("a count is not negative"))
    }
}

/// Every statement, for the test of their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("get records", statements::GET),
    ("chunk of a follower", statements::CHUNK_OF),
    ("record", statements::RECORD),
    ("open", statements::OPEN),
    ("cut a rest", statements::CUT),
    ("lease a chunk", statements::LEASE),
    ("renew a lease", statements::RENEW),
    ("give a chunk back", statements::GIVE_BACK),
    ("list chunks aside", statements::LIST_ASIDE),
    ("replay chunks aside", statements::REPLAY_ASIDE),
    ("lock records", statements::LOCK),
    ("finish chunks", statements::FINISH),
    ("finished records", statements::FINISHED),
    ("prune records", statements::PRUNE),
    ("tally", books::TALLY),
    ("pending deliveries", books::PENDING),
    ("read the books", books::READ),
    ("begin the books", books::BEGIN),
    ("close the books", books::CLOSE),
];

//! The books of fan-out, in `deliveries.db`: a record for each tweet, and for huge authors one for each chunk.
//!
//! A record carries the sums of its finished chunks and how many are left, so that finishing a chunk costs the same
//! however many there are. What is finished keeps its figures, so a chunk that is reported twice counts once.

mod books;
mod row;
mod schema;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{ChunkPlan, DeliveryPlan, DeliveryRecord, TweetId, UserId};
use rusqlite::{Connection, OptionalExtension};
use storage::{Books, ChunkRecord, ChunkResult, ClosedRange, Deadline, DeliveryStore, PendingChunk, StoreError, Tally};

use crate::readers::Readers;
use crate::writer::{Turn, Writer};
use crate::{OpenError, sql};

const STORE: &str = "deliveries";

/// How the store of delivery records is run.
#[derive(Debug, Clone, Copy)]
pub struct DeliveryOptions {
    /// How many writes may wait for the writer; more are refused.
    pub queue_bound: usize,
    /// How many connections read.
    pub readers: usize,
}

impl Default for DeliveryOptions {
    fn default() -> Self {
        Self {
            queue_bound: 10_000,
            readers: 2,
        }
    }
}

/// Delivery records on `SQLite`. One process has it open at a time.
pub struct SqliteDeliveries {
    /// Before the writer, so that they close before it: whoever closes last folds the WAL into the file.
    readers: Readers,
    writer: Writer<()>,
    /// What leases are counted from: they end with the process, as nobody else has the file open.
    opened: Instant,
}

impl SqliteDeliveries {
    /// Opens `deliveries.db` in `dir`, or makes it. Chunks that were set aside are tried again.
    pub fn open(dir: &Path, options: DeliveryOptions) -> Result<Arc<Self>, OpenError> {
        let path = dir.join("deliveries.db");
        let connection = crate::schema::open(&path, schema::MIGRATIONS)?;
        let sqlite = |source| OpenError::Sqlite {
            path: path.display().to_string(),
            source,
        };
        row::replay_aside(&connection, 0).map_err(sqlite)?;
        connection
            .execute("UPDATE chunks SET due_at_ms = 0 WHERE finished_at_ms IS NULL", [])
            .map_err(sqlite)?;
        let readers = Readers::open(STORE, &path, options.readers.max(1)).map_err(sqlite)?;
        Ok(Arc::new(Self {
            writer: Writer::spawn(STORE, connection, (), options.queue_bound),
            readers,
            opened: Instant::now(),
        }))
    }

    fn now_ms(&self) -> u64 {
        millis(self.opened.elapsed())
    }

    async fn write<T: Send + 'static>(
        &self,
        deadline: Deadline,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let write = move |turn: &mut Turn<'_, ()>| write(turn.connection).map(Ok::<T, StoreError>);
        self.writer.call(deadline, write).await?
    }
}

#[async_trait]
impl DeliveryStore for SqliteDeliveries {
    async fn get(&self, tweets: &[TweetId], deadline: Deadline) -> Result<Vec<Option<DeliveryRecord>>, StoreError> {
        let tweets = tweets.to_vec();
        let read = move |connection: &Connection| tweets.iter().map(|tweet| row::find(connection, *tweet)).collect();
        self.readers.call(deadline, read).await
    }

    async fn chunk_of(
        &self,
        tweet: TweetId,
        follower: UserId,
        deadline: Deadline,
    ) -> Result<Option<ChunkRecord>, StoreError> {
        let find = move |connection: &Connection| row::find_chunk(connection, tweet, follower);
        self.readers.call(deadline, find).await
    }

    async fn record(&self, done: Vec<DeliveryRecord>, deadline: Deadline) -> Result<(), StoreError> {
        let write = move |connection: &Connection| {
            done.iter()
                .try_for_each(|record| row::insert(connection, record, 0).map(drop))
        };
        self.write(deadline, write).await
    }

    async fn open(&self, plans: Vec<DeliveryPlan>, deadline: Deadline) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        let write =
            move |connection: &Connection| plans.iter().try_for_each(|plan| open_plan(connection, plan, now_ms));
        self.write(deadline, write).await
    }

    async fn cut(&self, tweet: TweetId, chunks: Vec<ChunkPlan>, deadline: Deadline) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        self.write(deadline, move |connection| cut(connection, tweet, &chunks, now_ms))
            .await
    }

    async fn lease(
        &self,
        lease: Duration,
        max_tries: u32,
        deadline: Deadline,
    ) -> Result<Option<PendingChunk>, StoreError> {
        let now_ms = self.now_ms();
        let until_ms = now_ms + millis(lease);
        let lease = move |connection: &Connection| row::lease(connection, now_ms, until_ms, max_tries);
        self.write(deadline, lease).await
    }

    async fn renew(&self, tweet: TweetId, number: u32, lease: Duration, deadline: Deadline) -> Result<(), StoreError> {
        let until_ms = self.now_ms() + millis(lease);
        self.write(deadline, move |connection| {
            row::hold(connection, tweet, number, until_ms)
        })
        .await
    }

    async fn give_back(&self, tweet: TweetId, number: u32, counts: bool, deadline: Deadline) -> Result<(), StoreError> {
        let now_ms = self.now_ms();
        let give_back = move |connection: &Connection| {
            row::hold(connection, tweet, number, now_ms)?;
            if counts {
                return Ok(());
            }
            row::add_tries(connection, tweet, number, -1)
        };
        self.write(deadline, give_back).await
    }

    async fn list_aside(&self, limit: usize, deadline: Deadline) -> Result<Vec<PendingChunk>, StoreError> {
        let list = move |connection: &Connection| row::list_aside(connection, limit);
        self.readers.call(deadline, list).await
    }

    async fn replay_aside(&self, deadline: Deadline) -> Result<usize, StoreError> {
        let now_ms = self.now_ms();
        self.write(deadline, move |connection| row::replay_aside(connection, now_ms))
            .await
    }

    async fn finish(&self, chunks: Vec<ChunkResult>, deadline: Deadline) -> Result<Vec<TweetId>, StoreError> {
        self.write(deadline, move |connection| finish(connection, &chunks))
            .await
    }

    async fn tally(&self, above: TweetId, up_to: TweetId, deadline: Deadline) -> Result<Tally, StoreError> {
        let tally = move |connection: &Connection| books::tally(connection, above, up_to);
        self.readers.call(deadline, tally).await
    }

    async fn deliveries_pending(&self, deadline: Deadline) -> Result<u64, StoreError> {
        self.readers.call(deadline, books::pending).await
    }

    async fn books(&self, deadline: Deadline) -> Result<Option<Books>, StoreError> {
        self.readers.call(deadline, books::read).await
    }

    async fn begin_books(&self, closed: TweetId, now_ms: u64, deadline: Deadline) -> Result<(), StoreError> {
        self.write(deadline, move |connection| books::begin(connection, closed, now_ms))
            .await
    }

    async fn close_books(&self, range: ClosedRange, now_ms: u64, deadline: Deadline) -> Result<bool, StoreError> {
        self.write(deadline, move |connection| books::close(connection, &range, now_ms))
            .await
    }

    async fn prune(&self, before_unix_ms: u64, limit: usize, deadline: Deadline) -> Result<usize, StoreError> {
        self.write(deadline, move |connection| prune(connection, before_unix_ms, limit))
            .await
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn open_plan(connection: &Connection, plan: &DeliveryPlan, now_ms: u64) -> rusqlite::Result<()> {
    let record = DeliveryRecord {
        tweet: plan.tweet,
        author: plan.author,
        mode: plan.mode,
        expected: 0,
        written: 0,
        skipped: 0,
        unfollowed: 0,
        accepted_at_ms: plan.accepted_at_ms,
        finished_at_ms: None,
    };
    if row::insert(connection, &record, 1)? {
        row::put_chunk(connection, plan.tweet, &ChunkPlan::rest(0, None), sql::column(now_ms))?;
    }
    Ok(())
}

fn cut(connection: &Connection, tweet: TweetId, chunks: &[ChunkPlan], now_ms: u64) -> rusqlite::Result<()> {
    let Some(first) = chunks.first() else { return Ok(()) };
    if !row::is_rest(connection, tweet, first.number)? {
        return Ok(());
    }
    for chunk in chunks {
        // Times begin at 0.
        let due_at_ms = if chunk.is_rest() { -1 } else { sql::column(now_ms) };
        row::put_chunk(connection, tweet, chunk, due_at_ms)?;
    }
    row::add_to_plan(connection, tweet, chunks)
}

fn finish(connection: &Connection, chunks: &[ChunkResult]) -> rusqlite::Result<Vec<TweetId>> {
    let mut finished = Vec::new();
    for chunk in chunks {
        if row::finish_chunk(connection, chunk)? {
            row::count_chunk(connection, chunk)?;
        }
        if row::is_finished(connection, chunk.tweet)? {
            finished.push(chunk.tweet);
        }
    }
    finished.sort_unstable();
    finished.dedup();
    Ok(finished)
}

fn prune(connection: &Connection, before_unix_ms: u64, limit: usize) -> rusqlite::Result<usize> {
    let mut dropped = 0;
    while dropped < limit {
        let oldest: Option<i64> = connection
            .prepare_cached("SELECT tweet FROM deliveries WHERE finished_at_ms < ?1 ORDER BY finished_at_ms LIMIT 1")?
            .query_row([sql::column(before_unix_ms)], |row| row.get(0))
            .optional()?;
        let Some(tweet) = oldest else { break };
        connection
            .prepare_cached("DELETE FROM chunks WHERE tweet = ?1")?
            .execute([tweet])?;
        connection
            .prepare_cached("DELETE FROM deliveries WHERE tweet = ?1")?
            .execute([tweet])?;
        dropped += 1;
    }
    Ok(dropped)
}

//! Tweets, their outbox, and how many authors have.
//!
//! Whoever accepts tweets holds a worker id ([`worker`]) and commits in batches, one after the other ([`batch`]). Whoever
//! only reads needs neither.

mod batch;
mod counts;
mod delete;
mod idempotency;
mod outbox;
mod page;
mod prune;
mod row;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{AuthorRange, Clock, Event, Tweet, TweetId};
use parking_lot::Mutex;
use storage::{
    Deadline, DeleteTweet, DeleteTweetError, IdPage, IdempotencyKey, InsertTweetError, Inserted, NewTweet, StoreError,
    TweetFate, TweetStore,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::error::OpenError;
use crate::pool::PostgresPool;
use batch::{Job, Writer};
use outbox::Known;
#[cfg(test)]
pub(crate) use outbox::OUTSTANDING;
pub use prune::Pruned;
pub(crate) use worker::LEASE;

const STORE: &str = "tweets";

/// How the store of tweets is run.
#[derive(Debug, Clone, Copy)]
pub struct TweetOptions {
    /// How many posts may wait for the writer; more are refused.
    pub queue_bound: usize,
    /// How many tweets one commit holds at most.
    pub batch: usize,
    /// How many events may be before fan-out; beyond it posts are refused.
    pub max_backlog: u64,
}

impl Default for TweetOptions {
    fn default() -> Self {
        Self {
            queue_bound: 10_000,
            batch: 1_000,
            max_backlog: 1_000_000,
        }
    }
}

/// Tweets on PostgreSQL.
pub struct PostgresTweets {
    pool: PostgresPool,
    clock: Arc<dyn Clock>,
    known: Known,
    rounds: page::Rounds,
    max_backlog: u64,
    /// Only where tweets are accepted.
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

impl PostgresTweets {
    /// Opens the store for reading and deleting.
    pub fn open_read_only(pool: PostgresPool, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self::new(pool, clock, TweetOptions::default(), None, None))
    }

    /// Opens the store for accepting tweets too: takes a worker id, which nobody else has meanwhile.
    pub async fn open(
        pool: PostgresPool,
        clock: Arc<dyn Clock>,
        options: TweetOptions,
    ) -> Result<Arc<Self>, OpenError> {
        let writer = Writer::lease(pool.clone(), Arc::clone(&clock), options.batch).await?;
        let (queue, jobs) = mpsc::channel(options.queue_bound);
        let writing = tokio::spawn(writer.run(jobs));
        Ok(Arc::new(Self::new(pool, clock, options, Some(queue), Some(writing))))
    }

    fn new(
        pool: PostgresPool,
        clock: Arc<dyn Clock>,
        options: TweetOptions,
        queue: Option<mpsc::Sender<Job>>,
        writer: Option<JoinHandle<()>>,
    ) -> Self {
        Self {
            known: Known::new(),
            rounds: page::Rounds::new(pool.clone()),
            max_backlog: options.max_backlog,
            queue: Mutex::new(queue),
            writer: Mutex::new(writer),
            pool,
            clock,
        }
    }

    /// Finishes what is queued and gives the worker id back. Later posts are refused.
    pub async fn close(&self, within: Duration) -> bool {
        drop(self.queue.lock().take());
        let Some(writing) = self.writer.lock().take() else {
            return true;
        };
        tokio::time::timeout(within, writing).await.is_ok()
    }

    fn queue(&self) -> Result<mpsc::Sender<Job>, StoreError> {
        let queue = self.queue.lock().clone();
        queue.ok_or_else(|| StoreError::unavailable(STORE, "this process does not accept tweets"))
    }
}

#[async_trait]
impl TweetStore for PostgresTweets {
    async fn insert(&self, tweet: NewTweet, deadline: Deadline) -> Result<Inserted, InsertTweetError> {
        if self.known.backlog_events(&self.pool, deadline).await? >= self.max_backlog {
            return Err(StoreError::Overloaded { store: STORE }.into());
        }
        let (reply, answer) = oneshot::channel();
        self.queue()?
            .try_send(Job { tweet, reply })
            .map_err(|_| StoreError::Overloaded { store: STORE })?;
        match tokio::time::timeout_at(deadline.instant().into(), answer).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StoreError::unavailable(STORE, "the writer has ended").into()),
            Err(_) => Err(StoreError::Timeout { store: STORE }.into()),
        }
    }

    async fn replayed(&self, key: &IdempotencyKey, deadline: Deadline) -> Result<Option<Tweet>, InsertTweetError> {
        let client = self.pool.client(deadline).await?;
        let replays = idempotency::replays(&client, &[key], self.clock.unix_ms(), deadline).await?;
        Ok(replays.into_iter().flatten().next().transpose()?)
    }

    async fn delete(&self, delete: DeleteTweet, deadline: Deadline) -> Result<Option<Event>, DeleteTweetError> {
        delete::run(&self.pool, delete, self.clock.unix_ms(), deadline).await
    }

    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<Tweet>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        let found: ahash::AHashMap<TweetId, Tweet> = row::find(&client, ids, deadline)
            .await?
            .into_iter()
            .filter(|row| !row.is_deleted)
            .map(|row| (row.tweet.id, row.tweet))
            .collect();
        Ok(ids.iter().map(|id| found.get(id).cloned()).collect())
    }

    async fn fates(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<TweetFate>>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let client = self.pool.client(deadline).await?;
        let found = row::fates(&client, ids, deadline).await?;
        Ok(ids.iter().map(|id| found.get(id).copied()).collect())
    }

    async fn ids(
        &self,
        above: TweetId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<TweetId>, StoreError> {
        let client = self.pool.client(deadline).await?;
        row::ids(&client, above, below, limit, deadline).await
    }

    async fn page(
        &self,
        sources: &[AuthorRange],
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<IdPage, StoreError> {
        page::read(&self.rounds, sources, below, limit, deadline).await
    }
}

/// Every statement that meets a table that grows, for the test of their plans.
#[cfg(test)]
pub(crate) const STATEMENTS: &[(&str, &str)] = &[
    ("accept", batch::INSERT),
    ("find a tweet", row::FIND),
    ("fates", row::FATES),
    ("ids", row::IDS),
    ("page", page::NEWEST),
    ("entomb", delete::ENTOMB),
    ("whose", delete::WHOSE),
    ("find a key", idempotency::FIND),
    ("keep a key", idempotency::KEEP),
    ("prune keys", prune::PRUNE_KEYS),
    ("prune tombstones", prune::PRUNE_TOMBSTONES),
    ("outstanding", outbox::OUTSTANDING),
    ("trace of a tweet", outbox::TRACE_OF),
    ("not understood", outbox::NOT_UNDERSTOOD),
    ("done", outbox::DONE),
    ("backlog", outbox::BACKLOG),
    ("set aside", outbox::SET_ASIDE),
    ("set tweets aside", outbox::SET_TWEETS_ASIDE),
    ("settled", outbox::SETTLED),
    ("fold counts", counts::FOLD),
    ("changed counts", counts::CHANGED),
    ("taken counts", counts::TAKEN),
];

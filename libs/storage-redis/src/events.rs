//! The event log on Redis Streams, over an outbox that is durable elsewhere.
//!
//! The outbox is the truth: an event is there from the commit until fan-out is done with it. The streams only bring it to
//! a worker quickly. Events are spread over several streams by author; one group of consumers reads them all.
//!
//! - **Publishing** appends to a stream straight after the commit. Where that fails, nothing is lost.
//! - **Receiving** takes entries that nobody has; each goes to one worker of one process. A process shows every now and
//!   then that it is working on what it holds; what nobody shows to be working on is taken over ([`claim`]).
//! - **Acknowledging** records the events as done in the outbox, and only then lets go of the entries, which are deleted:
//!   a stream holds what is not done, and is as long as the backlog. That is bounded by the outbox, which refuses posts;
//!   nothing is ever dropped to make room.
//! - **Sweeping** finds what is in the outbox and in no stream, and publishes it ([`sweep`]).
//! - What can't be worked on is **set aside** ([`aside`]).

mod aside;
mod book;
mod claim;
mod counters;
mod entry;
mod intake;
mod keep;
mod lane;
mod lead;
mod scripts;
mod settings;
mod streams;
mod sweep;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fred::error::Error;
use fred::interfaces::ClientLike;
use model::{Event, TraceContext, TweetId};
use storage::{Backlog, Deadline, EventLog, Outbox, Receipt, Received, Settled, StoreError};
use telemetry::Metrics;
use tokio::sync::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

pub use self::aside::{AsideReason, SetAside};
use self::counters::Counters;
pub use self::counters::{EventLogCounts, EventLogMetrics};
use self::intake::{Intake, LONGEST_READ};
use self::lane::Lane;
pub use self::settings::EventLogSettings;
use self::streams::Streams;
use self::sweep::Sweeper;
use crate::{OpenError, RedisClient};

const STORE: &str = "the event stream";

/// The event log. Dropping it stops whatever it does; what it held is taken over by others.
pub struct RedisEventLog {
    streams: Arc<Streams>,
    intake: Arc<Intake>,
    outbox: Arc<dyn Outbox>,
    settings: EventLogSettings,
    counters: Arc<Counters>,
    backlog: Mutex<Option<(Instant, Backlog)>>,
    _closed: DropGuard,
}

impl RedisEventLog {
    /// Opens the log over an outbox. Streams and group come about by themselves.
    pub async fn open(
        redis: &RedisClient,
        outbox: Arc<dyn Outbox>,
        settings: EventLogSettings,
    ) -> Result<Self, OpenError> {
        let connection = redis.open().await?;
        let is_clustered = connection.client().is_clustered();
        let consumer = format!("{:016x}", rand::random::<u64>());
        let streams = Arc::new(Streams::new(connection, settings.partitions, consumer));
        let lanes = Lane::all(redis, streams.partitions(), is_clustered, LONGEST_READ);
        let counters = Arc::new(Counters::default());
        let closed = CancellationToken::new();
        Ok(Self {
            intake: Intake::new(
                Arc::clone(&streams),
                lanes,
                settings.clone(),
                Arc::clone(&counters),
                closed.clone(),
            ),
            streams,
            outbox,
            settings,
            counters,
            backlog: Mutex::new(None),
            _closed: closed.drop_guard(),
        })
    }

    /// Looks for events that the streams have lost, and publishes them again, until `shutdown`. Of all processes that run
    /// this one works at a time. At least one should run in a deployment; any number may.
    pub async fn run(&self, shutdown: CancellationToken) {
        let sweeper = Sweeper::new(
            Arc::clone(&self.streams),
            Arc::clone(&self.outbox),
            self.settings.clone(),
            Arc::clone(&self.counters),
        );
        sweeper.run(&shutdown).await;
    }

    /// What has happened in this process.
    pub fn counts(&self) -> EventLogCounts {
        self.counters.read()
    }

    /// Adds what it counts to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        self.counters.metrics.register(metrics);
    }

    /// How many events are set aside.
    pub async fn count_aside(&self) -> Result<u64, StoreError> {
        self.streams.count_aside().await.map_err(store_error)
    }

    /// Events that are set aside, at most `limit`.
    pub async fn list_aside(&self, limit: usize) -> Result<Vec<SetAside>, StoreError> {
        let mut list = Vec::new();
        for partition in self.streams.partitions() {
            let room = limit - list.len();
            if room == 0 {
                break;
            }
            let more = self.streams.list_aside(partition, self.settings.epoch, room).await;
            list.extend(more.map_err(store_error)?);
        }
        Ok(list)
    }

    /// Hands an event that is set aside to the workers once more; `false` when it is not set aside any longer. One that
    /// this build does not understand is published from the outbox, by a build that does.
    pub async fn replay(&self, aside: &SetAside) -> Result<bool, StoreError> {
        let replayed = self.streams.replay(aside, self.settings.epoch).await;
        replayed.map_err(store_error)
    }

    fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.store_timeout)
    }
}

fn store_error(error: Error) -> StoreError {
    crate::error::store_error(STORE, error)
}

#[async_trait]
impl EventLog for RedisEventLog {
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        let append = self.streams.append(events.iter(), self.settings.epoch);
        match tokio::time::timeout(self.settings.publish_timeout, append).await {
            Ok(appended) => appended.map_err(store_error),
            Err(_) => Err(StoreError::Timeout { store: STORE }),
        }
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        self.intake.receive(max, wait).await
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError> {
        let positions = self.intake.book.lock().positions(receipts);
        if !positions.is_empty() {
            self.outbox.done(&positions, self.deadline()).await?;
            self.intake.book.lock().settle(receipts);
            if let Err(error) = self.intake.acknowledge_settled().await {
                tracing::debug!(%error, "events that are done are acknowledged in the stream later");
            }
        }
        Ok(())
    }

    async fn park(&self, receipts: &[Receipt]) {
        let parked = self.intake.book.lock().park(receipts);
        if let Err(error) = self.streams.set_tries(&parked, Duration::ZERO).await {
            tracing::debug!(%error, "if this process dies, events that only wait count it as a try");
        }
    }

    async fn fail(&self, receipts: &[Receipt]) {
        let mut failed = self.intake.book.lock().let_go(receipts);
        for entry in &mut failed {
            entry.tries += 1;
        }
        if let Err(error) = self.streams.set_tries(&failed, self.settings.claim_after).await {
            tracing::debug!(%error, "events that failed come again only after a while");
        }
    }

    async fn set_aside(&self, tweets: &[TweetId]) -> Result<(), StoreError> {
        self.outbox.set_tweets_aside(tweets, self.deadline()).await
    }

    async fn give_back(&self) {
        if let Err(error) = self.intake.give_back().await {
            tracing::warn!(%error, "what is not done here goes to others only after a while");
        }
    }

    async fn trace_of(&self, tweet: TweetId) -> Result<Option<TraceContext>, StoreError> {
        self.outbox.trace_of(tweet, self.deadline()).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        let mut known = self.backlog.lock().await;
        if let Some((since, backlog)) = *known
            && since.elapsed() < self.settings.backlog_max_age
        {
            return Ok(backlog);
        }
        let asked_at = Instant::now();
        let backlog = self.outbox.backlog(self.deadline()).await?;
        *known = Some((asked_at, backlog));
        Ok(backlog)
    }

    async fn settled(&self) -> Result<Settled, StoreError> {
        self.outbox.settled(self.deadline()).await
    }

    async fn highest(&self) -> Result<TweetId, StoreError> {
        self.outbox.highest(self.deadline()).await
    }
}

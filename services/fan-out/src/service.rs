//! The service: its ports, and what its workers share.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock, DeliveryRecord, TweetId};
use storage::{
    Deadline, DeliveryStore, EventLog, FollowGraph, PushBatch, StoreError, TimelineStore, TweetCache, TweetStore,
};
use telemetry::Metrics;
use telemetry::trace::{Kind, Span, names};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::FanOutSettings;
use crate::backlog;
use crate::books;
use crate::chunks::{self, Chunks};
use crate::late_pushes::{self, LatePushes};
use crate::metrics::FanOutMetrics;
use crate::spans::ChunkTraces;
use crate::worker;

/// How long what is under way may take to end. Every step may be done again, by somebody else. With [`HAND_OVER_WITHIN`]
/// less than a process gives its work to end.
const FINISH_WITHIN: Duration = Duration::from_secs(5);
const HAND_OVER_WITHIN: Duration = Duration::from_secs(3);

/// What fan-out works with.
#[derive(Clone)]
pub struct Ports {
    /// Where accepted tweets come from.
    pub log: Arc<dyn EventLog>,
    /// Who follows an author, and how authors are delivered.
    pub graph: Arc<dyn FollowGraph>,
    /// Where tweets go.
    pub timelines: Arc<dyn TimelineStore>,
    /// The books.
    pub deliveries: Arc<dyn DeliveryStore>,
    /// The tweets.
    pub tweets: Arc<dyn TweetStore>,
    /// Rendered tweets: a deleted one goes, should whoever deleted it have died before that.
    pub cache: Arc<dyn TweetCache>,
}

/// Writes tweets into timelines.
pub struct FanOut {
    pub(crate) ports: Ports,
    pub(crate) settings: FanOutSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chunks: Chunks,
    pub(crate) late_pushes: LatePushes,
    pub(crate) metrics: FanOutMetrics,
    pub(crate) traces: ChunkTraces,
}

/// What is known of a tweet's delivery.
pub(crate) enum Delivery {
    /// It has a record.
    Recorded(DeliveryRecord),
    /// It was accepted and fan-out has not got to it.
    Accepted,
}

impl FanOut {
    /// Wires the service; [`FanOut::run`] starts it.
    pub fn new(ports: Ports, settings: FanOutSettings, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            ports,
            settings,
            clock,
            chunks: Chunks::default(),
            late_pushes: LatePushes::default(),
            metrics: FanOutMetrics::default(),
            traces: ChunkTraces::default(),
        })
    }

    /// Adds what it counts to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        self.metrics.register(metrics);
    }

    /// Delivers until `shutdown`; then finishes and acknowledges the batch and the chunks that are under way, as far as there
    /// is time, and gives back what others go on with.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        // Tasks of their own, so that small authors don't wait for a processor either.
        let mut workers = JoinSet::new();
        for _ in 0..self.settings.chunk_workers {
            workers.spawn(chunks::work(Arc::clone(&self), shutdown.clone()));
        }
        workers.spawn(late_pushes::work(Arc::clone(&self), shutdown.clone()));
        let work = async {
            tokio::join!(
                worker::run(&self, &shutdown),
                workers.join_all(),
                chunks::acknowledge(&self, &shutdown),
                worker::prune(&self, &shutdown),
                backlog::watch(&self, &shutdown),
                books::keep(&self, &shutdown)
            );
        };
        let overdue = async {
            shutdown.cancelled().await;
            tokio::time::sleep(FINISH_WITHIN).await;
        };
        tokio::select! {
            () = work => {}
            () = overdue => tracing::warn!("what is in hand takes too long, and is left to others"),
        }
        if tokio::time::timeout(HAND_OVER_WITHIN, self.hand_over()).await.is_err() {
            tracing::warn!("some tweets that are delivered will be handed out again");
        }
    }

    /// Acknowledges what is done, and leaves the rest to others.
    async fn hand_over(&self) {
        if let Err(error) = self.acknowledge_finished().await {
            tracing::warn!(%error, "some tweets that are delivered will be handed out again");
        }
        self.ports.log.give_back().await;
    }

    /// What is known of a tweet's delivery; `None` when there is no such tweet.
    pub(crate) async fn delivery(&self, tweet: TweetId, deadline: Deadline) -> Result<Option<Delivery>, StoreError> {
        let record = self.ports.deliveries.get(&[tweet], deadline).await?.pop().flatten();
        if let Some(record) = record {
            return Ok(Some(Delivery::Recorded(record)));
        }
        let found = self.ports.tweets.get(&[tweet], deadline).await?.pop().flatten();
        Ok(found.map(|_| Delivery::Accepted))
    }

    /// Writes followers' timelines; answers which of them exist.
    pub(crate) async fn push(&self, batch: &PushBatch, pairs: usize) -> Result<Vec<bool>, StoreError> {
        let span = Span::child(Kind::Internal, "push timelines");
        span.count(names::PAIRS, pairs as u64);
        let pushed = span.cover(self.ports.timelines.push(batch, self.deadline())).await;
        if pushed.is_err() {
            span.fail("store");
        }
        pushed
    }

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.store_timeout)
    }
}

//! The service: its ports, and what its workers share.

use std::sync::Arc;

use model::{Clock, DeliveryRecord, TweetId};
use storage::{Deadline, DeliveryStore, EventLog, FollowGraph, StoreError, TimelineStore, TweetStore};
use tokio_util::sync::CancellationToken;

use crate::FanOutSettings;
use crate::chunks::{self, ChunkQueue};
use crate::worker;

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
}

/// Writes tweets into timelines.
pub struct FanOut {
    pub(crate) ports: Ports,
    pub(crate) settings: FanOutSettings,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) chunks: ChunkQueue,
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
        let chunks = ChunkQueue::new(settings.chunk_workers);
        Arc::new(Self {
            ports,
            settings,
            clock,
            chunks,
        })
    }

    /// Delivers until `shutdown`; then finishes and acknowledges the batch and the chunks that are under way.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        tokio::join!(
            worker::run(&self, &shutdown),
            chunks::run(&self, &shutdown),
            worker::prune(&self, &shutdown)
        );
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

    pub(crate) fn deadline(&self) -> Deadline {
        Deadline::after(self.settings.store_timeout)
    }
}

//! The log of what happened to tweets, at least once to each group of consumers.

use std::time::Duration;

use async_trait::async_trait;
use model::{Event, TweetId};

use crate::StoreError;

/// Consumers that share the work: each event goes to one of a group, and to every group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    /// Writes tweets into timelines.
    FanOut,
    /// Tells follow-graph how many tweets an author has.
    TweetCounts,
}

impl Group {
    /// All groups.
    pub const ALL: [Self; 2] = [Self::FanOut, Self::TweetCounts];

    /// Its name in stores.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FanOut => "fan-out",
            Self::TweetCounts => "tweet-counts",
        }
    }
}

/// What an event is acknowledged by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Receipt(pub u64);

/// An event, handed to a consumer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// To acknowledge it by.
    pub receipt: Receipt,
    /// What happened.
    pub event: Event,
}

/// How much a group has before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Committed and not acknowledged.
    pub events: u64,
    /// The oldest of them: when it happened, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
}

/// The log. What is committed to the outbox reaches every group at least once, in commit order where nothing fails.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Announces what was just committed. An event whose announcement is lost is found in the outbox all the same.
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError>;

    /// The next events for this group, at most `max`; waits up to `wait` for the first. What was received and not
    /// acknowledged is received again by whoever opens the log next.
    async fn receive(&self, group: Group, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError>;

    /// These are done with, durably recorded by the consumer. Acknowledging twice does no harm.
    async fn acknowledge(&self, group: Group, receipts: &[Receipt]) -> Result<(), StoreError>;

    /// How much is before a group.
    async fn backlog(&self, group: Group) -> Result<Backlog, StoreError>;

    /// Every tweet below this id that exists, or ever will, is committed and acknowledged by fan-out: no late arrival can
    /// come in below it.
    async fn settled_below(&self) -> Result<TweetId, StoreError>;
}

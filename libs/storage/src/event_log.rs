//! The log of what happened to tweets, for fan-out.

use std::time::Duration;

use async_trait::async_trait;
use model::{Event, TraceContext, TweetId};

use crate::{Settled, StoreError};

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

/// How much fan-out has before it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Committed and not acknowledged.
    pub events: u64,
    /// The oldest of them: when it happened, in milliseconds since 1970.
    pub oldest_ms: Option<u64>,
}

/// The log. What is committed to the outbox reaches fan-out at least once, each event one of its workers, and the events of
/// an author in commit order where nothing fails.
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Announces what was just committed. An event whose announcement is lost is found in the outbox all the same.
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError>;

    /// The next events, at most `max`; waits up to `wait` for the first. What was received and not acknowledged is received
    /// again, by another worker or by whoever opens the log next.
    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError>;

    /// These are done with, durably recorded by the consumer. Acknowledging twice does no harm.
    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError>;

    /// The worker has left these to jobs of their own, and acknowledges them when those are done: if the process dies, it is
    /// not of them.
    async fn park(&self, _receipts: &[Receipt]) {}

    /// These failed, for reasons of theirs that waiting does not mend. They are received again, a few times.
    async fn fail(&self, _receipts: &[Receipt]) {}

    /// Nobody works on these tweets any more, for now: they hold nothing back, and readers look them up ([`Settled`]) until
    /// they are done after all. In one process they are tried again at its next start, and hold back until then.
    async fn set_aside(&self, _tweets: &[TweetId]) -> Result<(), StoreError> {
        Ok(())
    }

    /// The process ends: what was received and not acknowledged goes to whoever asks next, as if it had not been received.
    async fn give_back(&self) {}

    /// The trace of a tweet whose acceptance is not acknowledged, for whoever works on it without having received it.
    async fn trace_of(&self, _tweet: TweetId) -> Result<Option<TraceContext>, StoreError> {
        Ok(None)
    }

    /// How much is committed and not acknowledged.
    async fn backlog(&self) -> Result<Backlog, StoreError>;

    /// How far everything is acknowledged, or set aside.
    async fn settled(&self) -> Result<Settled, StoreError>;

    /// No tweet that was accepted before the call has a higher id, whichever process drew it and whatever its clock says.
    async fn highest(&self) -> Result<TweetId, StoreError>;
}

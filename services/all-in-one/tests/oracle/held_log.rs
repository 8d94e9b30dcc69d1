//! Holds events back from fan-out, so that a history can look while a tweet is accepted and not delivered.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Event, TraceContext, TweetId, UserId};
use parking_lot::Mutex;
use storage::{Backlog, EventLog, Receipt, Received, Settled, StoreError};

/// How often what was held is looked at again.
const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

/// Whose events are held back.
#[derive(Default)]
pub(crate) struct Gate(Mutex<BTreeSet<UserId>>);

impl Gate {
    /// Holds the events of these, and of nobody else.
    pub(crate) fn hold(&self, authors: &[UserId]) {
        *self.0.lock() = authors.iter().copied().collect();
    }
}

/// The event log, with a gate before its consumer. What lies before the gate is not acknowledged.
pub(crate) struct HeldLog {
    inner: Arc<dyn EventLog>,
    gate: Arc<Gate>,
    waiting: Mutex<Vec<Received>>,
}

impl HeldLog {
    pub(crate) fn new(inner: Arc<dyn EventLog>, gate: Arc<Gate>) -> Self {
        Self {
            inner,
            gate,
            waiting: Mutex::default(),
        }
    }
}

#[async_trait]
impl EventLog for HeldLog {
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError> {
        self.inner.publish(events).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        let received = self.inner.receive(max, wait.min(BETWEEN_LOOKS)).await?;
        let held = self.gate.0.lock();
        let mut waiting = self.waiting.lock();
        waiting.extend(received);
        let passes = |received: &mut Received| !held.contains(&received.event.body.author());
        Ok(waiting.extract_if(.., passes).collect())
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError> {
        self.inner.acknowledge(receipts).await
    }

    async fn trace_of(&self, tweet: TweetId) -> Result<Option<TraceContext>, StoreError> {
        self.inner.trace_of(tweet).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.inner.backlog().await
    }

    async fn settled(&self) -> Result<Settled, StoreError> {
        self.inner.settled().await
    }

    async fn highest(&self) -> Result<TweetId, StoreError> {
        self.inner.highest().await
    }
}

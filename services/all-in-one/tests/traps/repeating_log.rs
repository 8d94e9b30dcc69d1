//! A log that hands out events once more when a test wants it: what was not acknowledged by a worker that is gone.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Event, TweetId};
use parking_lot::Mutex;
use storage::{Backlog, EventLog, Receipt, Received, Settled, StoreError};

/// The event log, which remembers what it has handed out.
pub(crate) struct RepeatingLog {
    inner: Arc<dyn EventLog>,
    /// Handed out and not acknowledged.
    unacknowledged: Mutex<Vec<Received>>,
    again: Mutex<Vec<Received>>,
}

impl RepeatingLog {
    pub(crate) fn new(inner: Arc<dyn EventLog>) -> Self {
        Self {
            inner,
            unacknowledged: Mutex::default(),
            again: Mutex::default(),
        }
    }

    /// Whatever was handed out and not acknowledged is handed out again with what comes next.
    pub(crate) fn redeliver(&self) {
        self.again.lock().clone_from(&self.unacknowledged.lock());
    }
}

#[async_trait]
impl EventLog for RepeatingLog {
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError> {
        self.inner.publish(events).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        let received = self.inner.receive(max, wait).await?;
        self.unacknowledged.lock().extend(received.iter().cloned());
        let mut handed = std::mem::take(&mut *self.again.lock());
        handed.extend(received);
        Ok(handed)
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError> {
        self.unacknowledged
            .lock()
            .retain(|received| !receipts.contains(&received.receipt));
        self.inner.acknowledge(receipts).await
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

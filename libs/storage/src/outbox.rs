//! The outbox: events that are committed with what they tell of, and stay until fan-out is done with them.

use std::time::Duration;

use async_trait::async_trait;
use model::{Event, Position, TweetId};

use crate::{Backlog, Deadline, StoreError};

/// An event that fan-out is not done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// The event.
    pub event: Event,
    /// How long ago it was committed, by the store's clock.
    pub age: Duration,
}

/// What an event log that may lose its contents is filled from. Committed by the tweet store together with tweets and
/// tombstones.
#[async_trait]
pub trait Outbox: Send + Sync {
    /// Events that are older than `min_age` and not done, above `after`, by position, at most `limit`. Where it answers
    /// fewer, those above were committed later, but for an instant.
    async fn outstanding(
        &self,
        min_age: Duration,
        after: Position,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<Outstanding>, StoreError>;

    /// Fan-out has recorded these as done: they go. Those that are gone already do no harm.
    async fn done(&self, positions: &[Position], deadline: Deadline) -> Result<(), StoreError>;

    /// What is not done.
    async fn backlog(&self, deadline: Deadline) -> Result<Backlog, StoreError>;

    /// Every tweet below this id that exists, or ever will, is committed and done, whichever process drew its id.
    async fn settled_below(&self, deadline: Deadline) -> Result<TweetId, StoreError>;
}

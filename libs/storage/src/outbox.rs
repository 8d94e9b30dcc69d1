//! The outbox: events that are committed with what they tell of, and stay until fan-out is done with them.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{Event, Position, TraceContext, TweetId, UserId};

use crate::{Backlog, Deadline, StoreError};

/// An event that fan-out is not done with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outstanding {
    /// The event.
    pub event: Event,
    /// How long ago it was committed, by the store's clock.
    pub age: Duration,
}

/// A tweet whose event was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AsideTweet {
    /// The tweet.
    pub tweet: TweetId,
    /// Its author.
    pub author: UserId,
}

/// How far events are done with, as of one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Every tweet below this id that exists, or ever will, is committed, and is done or among `aside`: no late arrival
    /// can come in below it.
    pub below: TweetId,
    /// Accepted tweets that no timeline may have, since their events were set aside: readers look them up. A bounded
    /// number, by id; were there more, the first that is left out would hold `below` back.
    pub aside: Arc<[AsideTweet]>,
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

    /// How many events are of a kind that this build does not know. They are not among those of [`Outbox::outstanding`],
    /// and stay for the build that wrote them.
    async fn not_understood(&self, deadline: Deadline) -> Result<u64, StoreError>;

    /// Fan-out has recorded these as done: they go. Those that are gone already do no harm.
    async fn done(&self, positions: &[Position], deadline: Deadline) -> Result<(), StoreError>;

    /// The trace of a tweet whose acceptance is not done.
    async fn trace_of(&self, tweet: TweetId, deadline: Deadline) -> Result<Option<TraceContext>, StoreError>;

    /// What is not done.
    async fn backlog(&self, deadline: Deadline) -> Result<Backlog, StoreError>;

    /// Nobody works on these any more, for now: they hold nothing back, and readers look their tweets up ([`Settled`]).
    /// They stay, until they are done after all.
    async fn set_aside(&self, positions: &[Position], deadline: Deadline) -> Result<(), StoreError>;

    /// The same, by tweet.
    async fn set_tweets_aside(&self, tweets: &[TweetId], deadline: Deadline) -> Result<(), StoreError>;

    /// How far everything is done, or set aside, whichever process drew the ids.
    async fn settled(&self, deadline: Deadline) -> Result<Settled, StoreError>;

    /// No tweet that was accepted before the call has a higher id, whichever process drew it and whatever its clock says.
    async fn highest(&self, deadline: Deadline) -> Result<TweetId, StoreError>;
}

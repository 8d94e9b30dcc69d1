//! The stores as the services see them: with places where a test stops whoever uses them.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use async_trait::async_trait;
use model::{ActorVersion, AuthorRange, Coverage, Event, Tweet, TweetId, UserId};
use parking_lot::Mutex;
use storage::{
    BuildTicket, Built, Deadline, DeleteTweet, DeleteTweetError, IdPage, IdempotencyKey, InsertTweetError, Inserted,
    NewTweet, PushBatch, StoreError, StoredTimeline, TimelineSlice, TimelineStats, TimelineStore, TweetFate,
    TweetStore, WalkPage, WalkPlace,
};

use crate::steps::{Step, Steps};

/// Home timelines, with steps before and after what is written.
pub(crate) struct SteppedTimelines {
    inner: Arc<dyn TimelineStore>,
    steps: Arc<Steps>,
    /// Pushes fail while this is so.
    refuses: AtomicBool,
    refused: AtomicUsize,
    written: Mutex<HashMap<UserId, Written>>,
}

/// How often something was done to one user's timeline.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Written {
    pub(crate) builds: usize,
    pub(crate) pushes: usize,
}

impl SteppedTimelines {
    pub(crate) fn new(inner: Arc<dyn TimelineStore>, steps: Arc<Steps>) -> Self {
        Self {
            inner,
            steps,
            refuses: AtomicBool::new(false),
            refused: AtomicUsize::new(0),
            written: Mutex::default(),
        }
    }

    /// From now on pushes fail, or go through again.
    pub(crate) fn refuse_pushes(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    /// How many pushes have failed.
    pub(crate) fn refused_pushes(&self) -> usize {
        self.refused.load(Ordering::SeqCst)
    }

    /// What was done to a user's timeline.
    pub(crate) fn written(&self, user: UserId) -> Written {
        self.written.lock().get(&user).copied().unwrap_or_default()
    }
}

#[async_trait]
impl TimelineStore for SteppedTimelines {
    async fn push(&self, batch: &PushBatch, deadline: Deadline) -> Result<Vec<bool>, StoreError> {
        self.steps.pass(Step::Push).await;
        if self.refuses.load(Ordering::SeqCst) {
            self.refused.fetch_add(1, Ordering::SeqCst);
            return Err(StoreError::unavailable("timelines", "the test wants it so"));
        }
        let answers = self.inner.push(batch, deadline).await?;
        for (follower, _) in batch.iter() {
            self.written.lock().entry(follower).or_default().pushes += 1;
        }
        self.steps.pass(Step::Pushed).await;
        Ok(answers)
    }

    async fn read(
        &self,
        user: UserId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<StoredTimeline, StoreError> {
        self.inner.read(user, below, limit, deadline).await
    }

    async fn begin_build(&self, user: UserId, deadline: Deadline) -> Result<BuildTicket, StoreError> {
        self.steps.pass(Step::BeginBuild).await;
        self.written.lock().entry(user).or_default().builds += 1;
        self.inner.begin_build(user, deadline).await
    }

    async fn install(&self, ticket: BuildTicket, built: Built, deadline: Deadline) -> Result<bool, StoreError> {
        self.steps.pass(Step::Install).await;
        self.inner.install(ticket, built, deadline).await
    }

    async fn backfill(
        &self,
        user: UserId,
        ids: &[TweetId],
        gathered_for: Coverage,
        holds: ActorVersion,
        deadline: Deadline,
    ) -> Result<bool, StoreError> {
        self.steps.pass(Step::Backfill).await;
        self.inner.backfill(user, ids, gathered_for, holds, deadline).await
    }

    async fn inspect(&self, user: UserId, deadline: Deadline) -> Result<Option<TimelineSlice>, StoreError> {
        self.inner.inspect(user, deadline).await
    }

    async fn sample(&self, limit: usize, deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        self.inner.sample(limit, deadline).await
    }

    async fn walk(&self, from: WalkPlace, limit: usize, deadline: Deadline) -> Result<WalkPage, StoreError> {
        self.inner.walk(from, limit, deadline).await
    }

    async fn remove(&self, users: &[UserId], deadline: Deadline) -> Result<(), StoreError> {
        self.inner.remove(users, deadline).await
    }

    async fn stats(&self) -> Result<TimelineStats, StoreError> {
        self.inner.stats().await
    }
}

/// Tweets, with a step after they were looked up.
pub(crate) struct SteppedTweets {
    pub(crate) inner: Arc<dyn TweetStore>,
    pub(crate) steps: Arc<Steps>,
}

#[async_trait]
impl TweetStore for SteppedTweets {
    async fn insert(&self, tweet: NewTweet, deadline: Deadline) -> Result<Inserted, InsertTweetError> {
        self.inner.insert(tweet, deadline).await
    }

    async fn replayed(&self, key: &IdempotencyKey, deadline: Deadline) -> Result<Option<Tweet>, InsertTweetError> {
        self.inner.replayed(key, deadline).await
    }

    async fn delete(&self, delete: DeleteTweet, deadline: Deadline) -> Result<Option<Event>, DeleteTweetError> {
        self.inner.delete(delete, deadline).await
    }

    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<Tweet>>, StoreError> {
        let found = self.inner.get(ids, deadline).await;
        self.steps.pass(Step::LookedUp).await;
        found
    }

    async fn fates(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<TweetFate>>, StoreError> {
        self.inner.fates(ids, deadline).await
    }

    async fn ids(
        &self,
        above: TweetId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<TweetId>, StoreError> {
        self.inner.ids(above, below, limit, deadline).await
    }

    async fn page(
        &self,
        sources: &[AuthorRange],
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<IdPage, StoreError> {
        self.inner.page(sources, below, limit, deadline).await
    }
}

//! A follow graph that a process has cached, and goes on believing for as long as it may.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{ActorVersion, ChunkPlan, DeliveryRules, ReaderView, Session, User, UserId};
use parking_lot::Mutex;
use storage::{ChunksRequest, Deadline, FollowGraph, FollowerPage, FollowerPageRequest, StoreError};

/// The real follow graph, beneath what a test says is believed instead.
pub(crate) struct Believing {
    inner: Arc<dyn FollowGraph>,
    max_staleness: Duration,
    rules: Mutex<Option<Arc<DeliveryRules>>>,
    followers: Mutex<Option<Followers>>,
}

/// Whom a process takes for an author's followers, and until when.
struct Followers {
    author: UserId,
    ids: Vec<UserId>,
    until: Instant,
}

impl Believing {
    pub(crate) fn new(inner: Arc<dyn FollowGraph>, max_staleness: Duration) -> Self {
        Self {
            inner,
            max_staleness,
            rules: Mutex::default(),
            followers: Mutex::default(),
        }
    }

    /// The delivery rules as they are now are believed until [`Believing::look_at_the_rules`].
    pub(crate) async fn keep_the_rules(&self, deadline: Deadline) {
        let rules = self.inner.delivery_rules(deadline).await.unwrap();
        *self.rules.lock() = Some(rules);
    }

    /// The rules are believed as they are.
    pub(crate) fn look_at_the_rules(&self) {
        *self.rules.lock() = None;
    }

    /// The followers of this author are believed for as long as is allowed from now on. Any follow that is committed later
    /// may be waited for.
    pub(crate) async fn keep_the_followers(&self, author: UserId, deadline: Deadline) {
        let request = FollowerPageRequest {
            author,
            after: None,
            limit: 1_000,
        };
        let until = Instant::now() + self.max_staleness;
        let mut pages = self.inner.followers(&[request], deadline).await.unwrap();
        *self.followers.lock() = Some(Followers {
            author,
            ids: pages.remove(0).followers,
            until,
        });
    }

    fn believed(&self, request: &FollowerPageRequest) -> Option<FollowerPage> {
        let believed = self.followers.lock();
        let believed = believed.as_ref()?;
        if believed.author != request.author || Instant::now() >= believed.until {
            return None;
        }
        let mut above = believed
            .ids
            .iter()
            .copied()
            .filter(|follower| Some(*follower) > request.after);
        let followers = above.by_ref().take(request.limit).collect();
        let more = above.next().is_some();
        Some(FollowerPage { followers, more })
    }
}

#[async_trait]
impl FollowGraph for Believing {
    async fn reader(
        &self,
        reader: UserId,
        at_least: Option<ActorVersion>,
        deadline: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        self.inner.reader(reader, at_least, deadline).await
    }

    async fn delivery_rules(&self, deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        let believed = self.rules.lock().clone();
        match believed {
            Some(rules) => Ok(rules),
            None => self.inner.delivery_rules(deadline).await,
        }
    }

    async fn followers(
        &self,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        let mut pages = self.inner.followers(requests, deadline).await?;
        for (page, request) in pages.iter_mut().zip(requests) {
            if let Some(believed) = self.believed(request) {
                *page = believed;
            }
        }
        Ok(pages)
    }

    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        self.inner.chunks(request, deadline).await
    }

    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        self.inner.users(ids, deadline).await
    }

    async fn deleted_among(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        self.inner.deleted_among(ids, deadline).await
    }

    async fn is_revoked(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError> {
        self.inner.is_revoked(session, deadline).await
    }

    fn max_staleness(&self) -> Duration {
        self.max_staleness
    }

    fn believable_until(&self) -> Option<Instant> {
        self.inner.believable_until()
    }
}

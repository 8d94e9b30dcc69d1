//! The follow graph straight from its store.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{ActorVersion, ChunkPlan, DeliveryRules, ReaderView, RulesInForce, Session, User, UserId};
use storage::{
    ChunksRequest, Deadline, EdgeDirection, FollowGraph, FollowerPage, FollowerPageRequest, GraphStore, StoreError,
};

use crate::Standing;

/// Asks the store each time and keeps nothing: for whoever asks once and ends, such as an operator's command. Its answers
/// are never old; those that other processes go by may be, so it is nothing to build timelines by.
pub struct StoreGraph {
    store: Arc<dyn GraphStore>,
    configured: RulesInForce,
}

impl StoreGraph {
    /// Over a store. Where no rules were ever set, the configured ones are in force.
    pub fn new(store: Arc<dyn GraphStore>, configured: RulesInForce) -> Self {
        Self { store, configured }
    }
}

#[async_trait]
impl FollowGraph for StoreGraph {
    async fn reader(
        &self,
        reader: UserId,
        _at_least: Option<ActorVersion>,
        deadline: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        Ok(self.store.reader(reader, deadline).await?.map(Arc::new))
    }

    async fn delivery_rules(&self, deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        Ok(Arc::new(self.store.delivery_rules(self.configured, deadline).await?))
    }

    async fn followers(
        &self,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        self.store.edges(EdgeDirection::Followers, requests, deadline).await
    }

    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        self.store.chunks(request, deadline).await
    }

    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        self.store.users(ids, deadline).await
    }

    async fn deleted_among(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        let found = self.store.users(ids, deadline).await?;
        let gone = ids.iter().zip(found).filter(|(_, user)| user.is_none());
        Ok(gone.map(|(id, _)| *id).collect())
    }

    async fn is_revoked(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError> {
        let revoked = self.store.revocations(0, deadline).await?;
        Ok(Standing::new(revoked).is_revoked(session))
    }

    fn max_staleness(&self) -> Duration {
        Duration::ZERO
    }

    fn believable_until(&self) -> Option<Instant> {
        None
    }
}

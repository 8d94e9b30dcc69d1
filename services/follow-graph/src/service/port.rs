//! The port that the other services know, in process.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{ActorVersion, ChunkPlan, DeliveryRules, ReaderView, Session, User, UserId};
use storage::{ChunksRequest, Deadline, EdgeDirection, FollowGraph, FollowerPage, FollowerPageRequest, StoreError};

use super::FollowGraphService;

#[async_trait]
impl FollowGraph for FollowGraphService {
    async fn reader(
        &self,
        reader: UserId,
        at_least: Option<ActorVersion>,
        deadline: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        let load = self.ports.store.reader(reader, deadline);
        self.replica.view_or_load(reader, at_least, deadline, load).await
    }

    async fn delivery_rules(&self, deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        self.replica.confirmed(deadline).await?;
        Ok(self.replica.rules())
    }

    async fn followers(
        &self,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError> {
        self.ports
            .store
            .edges(EdgeDirection::Followers, requests, deadline)
            .await
    }

    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        self.ports.store.chunks(request, deadline).await
    }

    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        self.ports.store.users(ids, deadline).await
    }

    async fn deleted_among(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        self.replica.confirmed(deadline).await?;
        let standing = &self.replica.standing;
        Ok(ids.iter().copied().filter(|id| standing.is_deleted(*id)).collect())
    }

    async fn is_revoked(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError> {
        self.replica.is_revoked(session, deadline).await
    }

    fn max_staleness(&self) -> Duration {
        self.replica.max_staleness()
    }

    fn believable_until(&self) -> Option<Instant> {
        self.replica.believable_until()
    }
}

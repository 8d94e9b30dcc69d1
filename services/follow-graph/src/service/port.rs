//! The port that the other services know, in process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{ChunkPlan, DeliveryRules, ReaderView, Session, User, UserId};
use storage::{ChunksRequest, Deadline, EdgeDirection, FollowGraph, FollowerPage, FollowerPageRequest, StoreError};

use super::FollowGraphService;

#[async_trait]
impl FollowGraph for FollowGraphService {
    async fn reader(&self, reader: UserId, deadline: Deadline) -> Result<Option<Arc<ReaderView>>, StoreError> {
        if let Some(view) = self.views.get(reader) {
            return Ok(Some(view));
        }
        let before_load = self.views.before_load(reader);
        let Some(view) = self.ports.store.reader(reader, deadline).await? else {
            return Ok(None);
        };
        let view = Arc::new(view);
        self.views.keep(&view, before_load);
        Ok(Some(view))
    }

    async fn delivery_rules(&self, _deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        Ok(self.delivery.rules())
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

    async fn deleted_among(&self, ids: &[UserId], _deadline: Deadline) -> Result<Vec<UserId>, StoreError> {
        Ok(ids.iter().copied().filter(|id| self.standing.is_deleted(*id)).collect())
    }

    async fn is_revoked(&self, session: &Session, _deadline: Deadline) -> Result<bool, StoreError> {
        Ok(self.standing.is_revoked(session))
    }

    fn max_staleness(&self) -> Duration {
        Duration::ZERO
    }
}

//! Following, muting, blocking, and lists of who does.

use std::sync::Arc;

use model::{EdgeKind, User, UserId};
use storage::{Deadline, EdgeDirection, EdgeError, EdgeWrite, FollowerPageRequest, IdempotencyKey, StoreError};

use super::FollowGraphService;
use super::through::see_through;

/// What somebody wants of an edge.
#[derive(Debug)]
pub(crate) struct EdgeRequest {
    pub(crate) kind: EdgeKind,
    pub(crate) actor: UserId,
    pub(crate) target: UserId,
    pub(crate) present: bool,
    pub(crate) idempotency: Option<IdempotencyKey>,
}

/// A page of accounts.
#[derive(Debug)]
pub(crate) struct UserPage {
    pub(crate) users: Vec<User>,
    /// Where the next page goes on.
    pub(crate) next_after: Option<UserId>,
}

impl FollowGraphService {
    /// Makes or removes an edge. What it changes is out of the caches before this answers, on repeats too.
    pub(crate) async fn write_edge(
        self: &Arc<Self>,
        request: EdgeRequest,
        deadline: Deadline,
    ) -> Result<(), EdgeError> {
        let service = Arc::clone(self);
        see_through(deadline, |deadline| async move {
            service.commit_edge(request, deadline).await
        })
        .await
    }

    async fn commit_edge(&self, request: EdgeRequest, deadline: Deadline) -> Result<(), EdgeError> {
        let EdgeRequest {
            kind,
            actor,
            target,
            present,
            idempotency,
        } = request;
        let limit = self.settings.following_limit;
        let write = EdgeWrite {
            kind,
            actor,
            target,
            present,
            limit,
            idempotency,
        };
        let written = self.ports.store.write_edge(write, deadline).await;
        self.replica.edge_changed(kind, actor, target);
        if kind == EdgeKind::Follow {
            self.delivery.audience_changed();
        }
        // On repeats too: the first attempt may have ended between commit and announcement.
        if let Some(versions) = &self.ports.versions {
            versions.announce(actor, written?.version, deadline).await?;
        } else {
            written?;
        }
        Ok(())
    }

    /// Who follows an account, or whom it follows, by id; deleted accounts are left out.
    pub(crate) async fn list(
        &self,
        direction: EdgeDirection,
        user: UserId,
        after: Option<UserId>,
        limit: usize,
        deadline: Deadline,
    ) -> Result<UserPage, StoreError> {
        let request = FollowerPageRequest {
            author: user,
            after,
            limit,
        };
        let page = self
            .ports
            .store
            .edges(direction, &[request], deadline)
            .await?
            .pop()
            .unwrap_or_default();
        let next_after = page.followers.last().copied().filter(|_| page.more);
        let users = self.ports.store.users(&page.followers, deadline).await?;
        Ok(UserPage {
            users: users.into_iter().flatten().collect(),
            next_after,
        })
    }
}

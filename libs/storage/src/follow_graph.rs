//! What the other services ask of follow-graph.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{ActorVersion, ChunkPlan, DeliveryRules, ReaderView, Session, User, UserId};

use crate::{Deadline, StoreError};

/// Asks for some followers of an author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FollowerPageRequest {
    /// The author.
    pub author: UserId,
    /// Followers above this one.
    pub after: Option<UserId>,
    /// At most this many.
    pub limit: usize,
}

/// Some followers of an author.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FollowerPage {
    /// By id.
    pub followers: Vec<UserId>,
    /// Whether there are more above the last.
    pub more: bool,
}

/// Asks for some of an author's followers to be cut into chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChunksRequest {
    /// The author.
    pub author: UserId,
    /// Followers above this one.
    pub after: Option<UserId>,
    /// At most this many chunks.
    pub limit: usize,
    /// Followers in a chunk.
    pub size: usize,
}

/// The follow graph, as fan-out, timeline-read and tweet-ingest see it. Answers are never older than
/// [`FollowGraph::max_staleness`]; an account's own changes show at once.
#[async_trait]
pub trait FollowGraph: Send + Sync {
    /// All that a read needs to know of its reader, no older than `at_least`; `None` when there is no such account. Without
    /// `at_least` nobody knows which of the reader's changes must show, and what a replica has cached is not good enough.
    async fn reader(
        &self,
        reader: UserId,
        at_least: Option<ActorVersion>,
        deadline: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError>;

    /// How tweets are delivered.
    async fn delivery_rules(&self, deadline: Deadline) -> Result<Arc<DeliveryRules>, StoreError>;

    /// Pages of followers, in the order asked for. Deleted accounts may be among them.
    async fn followers(
        &self,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError>;

    /// An author's followers as they are now, cut into chunks, numbered from 0. Fewer than asked for reach to the end.
    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError>;

    /// The accounts, in the order asked for; `None` for what is deleted or never was.
    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError>;

    /// Which of these accounts are deleted. Cheap: asked on every page of a timeline.
    async fn deleted_among(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<UserId>, StoreError>;

    /// Whether a token has been revoked: by logout, by a new password, or with its account. Cheap: asked on every
    /// request.
    async fn is_revoked(&self, session: &Session, deadline: Deadline) -> Result<bool, StoreError>;

    /// How old an answer about somebody else may be.
    fn max_staleness(&self) -> Duration;

    /// Until when what was answered from caches may be believed. A process may have been stopped in between: whoever has
    /// put answers together looks at this once more before it passes them on. `None`: as long as one likes.
    fn believable_until(&self) -> Option<Instant>;
}

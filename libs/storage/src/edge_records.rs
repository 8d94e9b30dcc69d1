//! Single edges, as the store has them.

use async_trait::async_trait;
use model::{ActorVersion, EdgeKind, UserId};

use crate::{Deadline, StoreError};

/// An edge, or the tombstone of one that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeRecord {
    /// What it means.
    pub kind: EdgeKind,
    /// Whose it is.
    pub actor: UserId,
    /// To whom it goes.
    pub target: UserId,
    /// The actor's version when it was made, or removed.
    pub version: ActorVersion,
    /// Whether it stands; `false` for a tombstone.
    pub present: bool,
}

/// What stands, and once stood, between two accounts: for whoever has to explain or to audit, not for reads, which go by
/// [`model::ReaderView`].
#[async_trait]
pub trait EdgeRecords: Send + Sync {
    /// All edges between two accounts, in both directions, as of one moment and in no order. Tombstones are among them for
    /// as long as the store keeps them.
    async fn edges_between(
        &self,
        one: UserId,
        other: UserId,
        deadline: Deadline,
    ) -> Result<Vec<EdgeRecord>, StoreError>;

    /// For each of these authors, in the order asked for, whether the reader follows it, or has at some time within
    /// [`TOMBSTONES_KEPT`](crate::TOMBSTONES_KEPT): entries of authors who are not followed any more stay behind in stored
    /// timelines. Sees every follow committed before the call.
    async fn ever_followed(
        &self,
        reader: UserId,
        authors: &[UserId],
        deadline: Deadline,
    ) -> Result<Vec<bool>, StoreError>;
}

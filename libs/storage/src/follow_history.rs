//! Who ever followed whom.

use async_trait::async_trait;
use model::UserId;

use crate::{Deadline, StoreError};

/// Follows, those that were taken back among them: for whoever checks stored timelines, where entries of authors who are not
/// followed any more stay behind.
#[async_trait]
pub trait FollowHistory: Send + Sync {
    /// For each of these authors, in the order asked for, whether the reader follows it, or has at some time within
    /// [`TOMBSTONES_KEPT`](crate::TOMBSTONES_KEPT). Sees every follow committed before the call.
    async fn ever_followed(
        &self,
        reader: UserId,
        authors: &[UserId],
        deadline: Deadline,
    ) -> Result<Vec<bool>, StoreError>;
}

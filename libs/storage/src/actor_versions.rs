//! Where an account's own last change is announced to every reader.

use async_trait::async_trait;
use model::{ActorVersion, UserId};

use crate::{Deadline, StoreError};

/// Tells every replica that serves an account's reads which of its changes must show: [`crate::TimelineStore::read`]
/// answers the version in the same round trip as the timeline.
#[async_trait]
pub trait ActorVersions: Send + Sync {
    /// Announces that the account's last change is at least `version`; an older one changes nothing. After the commit and
    /// before the change is acknowledged: when this fails, the change must not be acknowledged.
    async fn announce(&self, user: UserId, version: ActorVersion, deadline: Deadline) -> Result<(), StoreError>;
}

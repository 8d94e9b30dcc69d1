//! What operators do from the command line.

use model::{Handle, User};
use storage::{Deadline, ImportCounts, StoreError};

use super::FollowGraphService;

impl FollowGraphService {
    /// A token for the account with this handle, as a login would give; `None` when there is no such account.
    pub async fn issue_token(&self, handle: &Handle, deadline: Deadline) -> Result<Option<String>, StoreError> {
        let Some(user) = self.ports.store.user_by_handle(handle, deadline).await? else {
            return Ok(None);
        };
        let credentials = self.ports.store.credentials(user.id, deadline).await?;
        Ok(credentials.map(|known| self.issuer.issue(&known).token))
    }

    /// The account with this handle.
    pub async fn user_by_handle(&self, handle: &Handle, deadline: Deadline) -> Result<Option<User>, StoreError> {
        self.ports.store.user_by_handle(handle, deadline).await
    }

    /// Notes that an import has begun.
    pub async fn begin_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError> {
        self.ports.store.begin_import(source, deadline).await
    }

    /// Imports edges between accounts `u<number>`.
    pub async fn import(
        &self,
        edges: Vec<(u64, u64)>,
        attach: bool,
        deadline: Deadline,
    ) -> Result<ImportCounts, StoreError> {
        let imported = self.ports.store.import(edges, attach, deadline).await;
        // One that timed out may have been done.
        self.replica.all_edges_changed();
        self.delivery.audience_changed();
        imported
    }

    /// Notes that an import has ended.
    pub async fn end_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError> {
        self.ports.store.end_import(source, deadline).await
    }
}

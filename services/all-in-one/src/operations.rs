//! What operators' commands do to the stores, whether they come over the socket or open the stores themselves.

use std::sync::Arc;
use std::time::Duration;

use http_kit::TokenIssuer;
use model::{Handle, InvalidHandle};
use storage::{Deadline, GraphStore, ImportCounts, StoreError};

use crate::graph_file::{BATCH_EDGES, MAX_NUMBER};

const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// A batch touches pages all over a large file, and waits behind the writes of those who use the system.
const IMPORT_BATCH_WITHIN: Duration = Duration::from_secs(120);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// No account can have this handle.
    #[error(transparent)]
    InvalidHandle(#[from] InvalidHandle),
    /// No account has it.
    #[error("there is no account with the handle {handle}")]
    NoSuchAccount {
        /// The handle.
        handle: Handle,
    },
    /// A batch that no checked file can have led to.
    #[error("a batch of edges is too large, or has accounts that follow themselves or have too large a number")]
    BadBatch,
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OperationError {
    /// What a command exits with.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidHandle(_) => runtime::exit::USAGE,
            Self::NoSuchAccount { .. } => runtime::exit::NO_USER,
            Self::BadBatch => runtime::exit::DATA_ERROR,
            Self::Store(error) if error.is_transient() => runtime::exit::UNAVAILABLE,
            Self::Store(_) => runtime::exit::DATA_ERROR,
        }
    }
}

/// A token for the account with this handle, as a login would give.
pub(crate) async fn token(
    graph: &dyn GraphStore,
    issuer: &TokenIssuer,
    handle: &str,
) -> Result<String, OperationError> {
    let handle: Handle = handle.parse()?;
    let deadline = Deadline::after(LOOK_UP_WITHIN);
    let credentials = match graph.user_by_handle(&handle, deadline).await? {
        Some(user) => graph.credentials(user.id, deadline).await?,
        None => None,
    };
    let credentials = credentials.ok_or(OperationError::NoSuchAccount { handle })?;
    Ok(issuer.issue(&credentials.user, credentials.credential_version).token)
}

/// Takes over edges of one file, batch by batch.
pub(crate) struct Import {
    graph: Arc<dyn GraphStore>,
    source: String,
}

impl Import {
    /// Begins, and notes it, so that an import that never ends is known at the next start.
    pub(crate) async fn begin(graph: Arc<dyn GraphStore>, source: String) -> Result<Self, OperationError> {
        graph.begin_import(&source, Deadline::after(LOOK_UP_WITHIN)).await?;
        Ok(Self { graph, source })
    }

    /// Commits a batch. Edges that stand are left as they are.
    pub(crate) async fn add(&self, batch: Vec<(u64, u64)>) -> Result<ImportCounts, OperationError> {
        let bad = |&(follower, followee): &(u64, u64)| follower == followee || follower.max(followee) > MAX_NUMBER;
        if batch.len() > BATCH_EDGES || batch.iter().any(bad) {
            return Err(OperationError::BadBatch);
        }
        Ok(self.graph.import(batch, Deadline::after(IMPORT_BATCH_WITHIN)).await?)
    }

    /// Ends it.
    pub(crate) async fn end(self) -> Result<(), OperationError> {
        Ok(self
            .graph
            .end_import(&self.source, Deadline::after(LOOK_UP_WITHIN))
            .await?)
    }
}

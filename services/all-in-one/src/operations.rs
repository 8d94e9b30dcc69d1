//! What operators' commands do to the stores, whether they come over the socket or open the stores themselves.

use std::sync::Arc;
use std::time::Duration;

use follow_graph::FollowGraphService;
use graph_import::graph_file::{BATCH_EDGES, MAX_NUMBER};
use http_kit::TokenIssuer;
use model::{AccountName, Handle, InvalidAccountName, InvalidHandle, TweetId, UserId};
use storage::{Deadline, GraphStore, ImportCounts, StoreError};
use timeline_read::{Explanation, ReadError, RebuildCounts, Rebuilt, TimelineRead};

const LOOK_UP_WITHIN: Duration = Duration::from_secs(5);

/// A batch touches pages all over a large file, and waits behind the writes of those who use the system.
const IMPORT_BATCH_WITHIN: Duration = Duration::from_mins(2);

/// A rebuild of one timeline may have to wait behind others.
const REBUILD_WITHIN: Duration = Duration::from_mins(1);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// No account can have this handle.
    #[error(transparent)]
    InvalidHandle(#[from] InvalidHandle),
    /// No account can be named so.
    #[error(transparent)]
    InvalidAccountName(#[from] InvalidAccountName),
    /// No account has it.
    #[error("there is no account with the handle {handle}")]
    NoSuchAccount {
        /// The handle.
        handle: Handle,
    },
    /// A batch that no checked file can have led to.
    #[error("a batch of edges is too large, or has accounts that follow themselves or have too large a number")]
    BadBatch,
    /// A timeline was not read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OperationError {
    /// What a command exits with.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::InvalidHandle(_) | Self::InvalidAccountName(_) => runtime::exit::USAGE,
            Self::NoSuchAccount { .. } | Self::Read(ReadError::NoSuchUser) => runtime::exit::NO_USER,
            Self::Store(error) | Self::Read(ReadError::Store(error)) if error.is_transient() => {
                runtime::exit::UNAVAILABLE
            }
            Self::BadBatch | Self::Store(_) | Self::Read(ReadError::Store(_)) => runtime::exit::DATA_ERROR,
        }
    }
}

/// Accounts and edges, as commands reach them.
///
/// A stopped system's service is not started for a command: at its first start it would settle the delivery rules, which
/// is for whoever starts the system to choose.
#[derive(Clone)]
pub(crate) enum Accounts {
    /// Through the service, which keeps true what it caches.
    Running(Arc<FollowGraphService>),
    /// In the store; nobody else has it open.
    Stopped(Arc<dyn GraphStore>),
}

impl Accounts {
    /// The account that an operator names. Whether one has an id is for whoever looks to find out.
    async fn named(&self, user: AccountName, deadline: Deadline) -> Result<UserId, OperationError> {
        match user {
            AccountName::Id(id) => Ok(id),
            AccountName::Handle(handle) => self.user_by_handle(handle, deadline).await,
        }
    }

    async fn user_by_handle(&self, handle: Handle, deadline: Deadline) -> Result<UserId, OperationError> {
        let found = match self {
            Self::Running(service) => service.user_by_handle(&handle, deadline).await?,
            Self::Stopped(store) => store.user_by_handle(&handle, deadline).await?,
        };
        found
            .map(|user| user.id)
            .ok_or(OperationError::NoSuchAccount { handle })
    }
}

/// Why a tweet is, or is not, in somebody's home timeline.
pub(crate) async fn explain(
    timelines: &TimelineRead,
    accounts: &Accounts,
    user: AccountName,
    tweet: TweetId,
) -> Result<Explanation, OperationError> {
    let deadline = Deadline::after(LOOK_UP_WITHIN);
    let user = accounts.named(user, deadline).await?;
    Ok(timelines.explain(user, tweet, deadline).await?)
}

/// A token of the running system.
pub(crate) async fn running_token(service: &FollowGraphService, handle: &str) -> Result<String, OperationError> {
    let handle: Handle = handle.parse()?;
    let token = service.issue_token(&handle, Deadline::after(LOOK_UP_WITHIN)).await?;
    token.ok_or(OperationError::NoSuchAccount { handle })
}

/// A token of a stopped system.
pub(crate) async fn stopped_token(
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
    Ok(issuer.issue(&credentials).token)
}

/// Takes over edges of one file, batch by batch.
pub(crate) struct Import {
    accounts: Accounts,
    source: String,
    attach: bool,
}

impl Import {
    /// Begins, and notes it, so that an import that never ends is known at the next start.
    pub(crate) async fn begin(accounts: Accounts, source: String, attach: bool) -> Result<Self, OperationError> {
        let deadline = Deadline::after(LOOK_UP_WITHIN);
        match &accounts {
            Accounts::Running(service) => service.begin_import(&source, deadline).await?,
            Accounts::Stopped(store) => store.begin_import(&source, deadline).await?,
        }
        Ok(Self {
            accounts,
            source,
            attach,
        })
    }

    /// Commits a batch. Edges that stand are left as they are.
    pub(crate) async fn add(&self, batch: Vec<(u64, u64)>) -> Result<ImportCounts, OperationError> {
        let bad = |&(follower, followee): &(u64, u64)| follower == followee || follower.max(followee) > MAX_NUMBER;
        if batch.len() > BATCH_EDGES || batch.iter().any(bad) {
            return Err(OperationError::BadBatch);
        }
        let deadline = Deadline::after(IMPORT_BATCH_WITHIN);
        Ok(match &self.accounts {
            Accounts::Running(service) => service.import(batch, self.attach, deadline).await?,
            Accounts::Stopped(store) => store.import(batch, self.attach, deadline).await?,
        })
    }

    /// Ends it.
    pub(crate) async fn end(self) -> Result<(), OperationError> {
        let deadline = Deadline::after(LOOK_UP_WITHIN);
        match &self.accounts {
            Accounts::Running(service) => service.end_import(&self.source, deadline).await?,
            Accounts::Stopped(store) => store.end_import(&self.source, deadline).await?,
        }
        Ok(())
    }
}

/// Stored home timelines, which only a running system has.
pub(crate) struct Timelines {
    accounts: Accounts,
    timelines: Arc<TimelineRead>,
}

impl Timelines {
    /// Those of these services.
    pub(crate) const fn new(accounts: Arc<FollowGraphService>, timelines: Arc<TimelineRead>) -> Self {
        let accounts = Accounts::Running(accounts);
        Self { accounts, timelines }
    }

    /// How many a rebuild is about: of one account, or of all.
    pub(crate) async fn stored(&self, user: Option<&str>) -> Result<u64, OperationError> {
        match user {
            Some(_) => Ok(1),
            None => Ok(self.timelines.stored_timelines().await?),
        }
    }

    /// Computes them anew.
    pub(crate) async fn rebuild(
        &self,
        user: Option<&str>,
        progress: impl FnMut(RebuildCounts),
    ) -> Result<RebuildCounts, OperationError> {
        let Some(user) = user else {
            return Ok(self.timelines.rebuild_all(progress).await?);
        };
        let user = self
            .accounts
            .named(user.parse()?, Deadline::after(LOOK_UP_WITHIN))
            .await?;
        let mut counts = RebuildCounts::default();
        match self.timelines.rebuild(user, Deadline::after(REBUILD_WITHIN)).await? {
            Rebuilt::Anew => counts.rebuilt = 1,
            Rebuilt::Gone => counts.gone = 1,
        }
        Ok(counts)
    }
}

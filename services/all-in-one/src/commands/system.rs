//! The system that a command works on: a running process, or the stores of a stopped one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{AccountName, Clock, SystemClock, TweetId};
use runtime::Settings;
use storage::ImportCounts;
use timeline_read::Explanation;

use super::CommandError;
use crate::control::Client;
use crate::data_dir::{DataDir, DataDirError, socket_in};
use crate::keys::Keys;
use crate::operations::{self, Accounts, Import};
use crate::services::stopped_timeline_read;
use crate::stores::{self, Stores};

/// How long a process that has the data and takes no commands is waited for: it may be starting or stopping.
const PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(100);

/// What a command works on.
pub(super) enum System<'a> {
    /// Nobody else uses the data.
    Stopped(Stopped<'a>),
    /// A process does, and carries out commands.
    Running(Client),
}

impl<'a> System<'a> {
    /// Locks the data, or reaches whoever has.
    pub(super) async fn open(settings: &'a Settings) -> Result<Self, CommandError> {
        let patience = Instant::now() + PATIENCE;
        loop {
            let in_use = match DataDir::lock(&settings.data_dir) {
                Ok(data_dir) => return Ok(Self::Stopped(Stopped { data_dir, settings })),
                Err(error @ DataDirError::InUse { .. }) => error,
                Err(error) => return Err(error.into()),
            };
            if let Ok(client) = Client::connect(&socket_in(&settings.data_dir)).await {
                return Ok(Self::Running(client));
            }
            if Instant::now() >= patience {
                return Err(CommandError::NoAnswer(in_use));
            }
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
    }

    /// A token for the account with this handle.
    pub(super) async fn token(self, handle: String) -> Result<String, CommandError> {
        match self {
            Self::Stopped(stopped) => stopped.token(&handle).await,
            Self::Running(client) => Ok(client.token(handle).await?),
        }
    }

    /// Why a tweet is, or is not, in somebody's home timeline.
    pub(super) async fn explain(self, user: AccountName, tweet: TweetId) -> Result<Explanation, CommandError> {
        match self {
            Self::Stopped(stopped) => stopped.explain(user, tweet).await,
            Self::Running(client) => Ok(client.explain(user, tweet).await?),
        }
    }

    /// Begins an import.
    pub(super) async fn begin_import(self, source: String, attach: bool) -> Result<ImportTarget, CommandError> {
        match self {
            Self::Stopped(stopped) => {
                let accounts = Accounts::Stopped(stores::open_graph(&stopped.data_dir)?);
                let import = Import::begin(accounts, source, attach).await?;
                let data_dir = stopped.data_dir;
                Ok(ImportTarget::Stopped {
                    import,
                    _locked: data_dir,
                })
            }
            Self::Running(mut client) => {
                client.begin_import(source, attach).await?;
                Ok(ImportTarget::Running(client))
            }
        }
    }
}

/// The data, locked, and how it is to be opened.
pub(super) struct Stopped<'a> {
    data_dir: DataDir,
    settings: &'a Settings,
}

impl Stopped<'_> {
    /// Opening a store brings it to the current schema.
    pub(super) fn migrate(&self, accept_loss: bool) -> Result<(), CommandError> {
        if accept_loss {
            stores::accept_loss_of_tweets(self.data_dir.path())?;
        }
        Stores::open(
            self.data_dir.path(),
            self.settings.limits.max_backlog,
            &(Arc::new(SystemClock) as _),
        )?;
        Ok(())
    }

    async fn explain(&self, user: AccountName, tweet: TweetId) -> Result<Explanation, CommandError> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let stores = Stores::open(self.data_dir.path(), self.settings.limits.max_backlog, &clock)?;
        let timelines = stopped_timeline_read(self.settings, &stores, clock)?;
        let accounts = Accounts::Stopped(stores.graph.clone());
        Ok(operations::explain(&timelines, &accounts, user, tweet).await?)
    }

    async fn token(&self, handle: &str) -> Result<String, CommandError> {
        let issuer = Keys::load(self.settings, &self.data_dir)?.issuer(self.settings, Arc::new(SystemClock))?;
        let graph = stores::open_graph(&self.data_dir)?;
        Ok(operations::stopped_token(&*graph, &issuer, handle).await?)
    }
}

/// Where an import's batches go.
pub(super) enum ImportTarget {
    /// Into the store.
    Stopped {
        /// Dropped, and with it the store closed, before the lock goes.
        import: Import,
        _locked: DataDir,
    },
    /// Through the running process.
    Running(Client),
}

impl graph_import::ImportTarget for ImportTarget {
    type Error = CommandError;

    async fn add(&mut self, batch: Vec<(u64, u64)>) -> Result<ImportCounts, CommandError> {
        match self {
            Self::Stopped { import, .. } => Ok(import.add(batch).await?),
            Self::Running(client) => Ok(client.import(batch).await?),
        }
    }

    async fn end(self) -> Result<(), CommandError> {
        match self {
            Self::Stopped { import, .. } => Ok(import.end().await?),
            Self::Running(mut client) => Ok(client.end_import().await?),
        }
    }
}

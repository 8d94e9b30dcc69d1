//! The side of the running process.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use follow_graph::FollowGraphService;
use model::{AccountName, TweetId};
use storage::ImportCounts;
use timeline_read::TimelineRead;
use tokio::net::{UnixListener, UnixSocket, UnixStream};
use tokio::sync::{Mutex, Semaphore};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::address::SocketAddress;
use super::protocol::{Answer, ImportPart, Request};
use super::rebuild::rebuild;
use super::wire::{Wire, WireError};
use crate::operations::{self, Accounts, Import, OperationError, Timelines};

const REQUEST_WITHIN: Duration = Duration::from_secs(10);

/// How long a client of an import may be silent between two batches.
const PART_WITHIN: Duration = Duration::from_mins(1);

const MAX_CONNECTIONS: usize = 8;

/// A bound socket. Its file goes with it.
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

/// Binds the socket. Whoever calls it has the lock of the data folder, so a socket that lies there is a dead one's.
pub(crate) fn bind(path: &Path) -> io::Result<ControlSocket> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let socket = UnixSocket::new_stream()?;
    socket.bind(SocketAddress::of(path)?.path())?;
    // Before it listens, so that nobody else gets in between.
    fs::set_permissions(path, Permissions::from_mode(0o600))?;
    Ok(ControlSocket {
        listener: socket.listen(16)?,
        path: path.to_owned(),
    })
}

impl ControlSocket {
    /// Serves commands until `shutdown`; an import that is under way then stops at the end of its batch.
    pub(crate) async fn serve(
        self,
        service: Arc<FollowGraphService>,
        timeline_read: Arc<TimelineRead>,
        shutdown: CancellationToken,
    ) {
        let desk = Arc::new(Desk {
            timelines: Timelines::new(Arc::clone(&service), Arc::clone(&timeline_read)),
            service,
            timeline_read,
            importing: Mutex::new(()),
            rebuilding: Mutex::new(()),
            shutdown,
        });
        let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut conversations = JoinSet::new();
        while let Some(accepted) = desk.shutdown.run_until_cancelled(self.listener.accept()).await {
            while conversations.try_join_next().is_some() {}
            match (accepted, Arc::clone(&room).try_acquire_owned()) {
                (Ok((stream, _)), Ok(permit)) => {
                    let desk = Arc::clone(&desk);
                    conversations.spawn(async move {
                        desk.converse(stream).await;
                        drop(permit);
                    });
                }
                (Ok(_), Err(_)) => tracing::warn!("too many commands at the same time: one was turned away"),
                (Err(error), _) => {
                    tracing::warn!(%error, "a command could not connect");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        }
        while conversations.join_next().await.is_some() {}
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the control socket could not be removed");
        }
    }
}

/// Why an import stopped before its end.
#[derive(Debug, thiserror::Error)]
enum ImportStopped {
    #[error("the system is shutting down")]
    ShuttingDown,
    #[error("the command that sent it has gone away")]
    ClientGone,
    #[error("the connection to the command failed: {0}")]
    Wire(#[from] WireError),
    #[error(transparent)]
    Operation(#[from] OperationError),
}

/// Where commands are answered.
struct Desk {
    service: Arc<FollowGraphService>,
    timeline_read: Arc<TimelineRead>,
    /// Held by the one import that may run.
    importing: Mutex<()>,
    timelines: Timelines,
    /// Held by the one rebuild that may run.
    rebuilding: Mutex<()>,
    shutdown: CancellationToken,
}

impl Desk {
    async fn converse(&self, stream: UnixStream) {
        let mut wire = Wire::new(stream);
        if let Err(error) = self.answer(&mut wire).await {
            tracing::warn!(%error, "a command was not answered");
        }
    }

    async fn answer(&self, wire: &mut Wire) -> Result<(), WireError> {
        let receiving = wire.receive(REQUEST_WITHIN);
        let request = match self.shutdown.run_until_cancelled(receiving).await {
            Some(received) => received?,
            None => None,
        };
        match request {
            None => Ok(()),
            Some(Request::Migrate {}) => wire.send(&Answer::Done {}).await,
            Some(Request::Token { handle }) => {
                let token = operations::running_token(&self.service, &handle).await;
                let answer = token.map_or_else(|error| refusal(&error), |token| Answer::Token { token });
                wire.send(&answer).await
            }
            Some(Request::Explain { user, tweet }) => {
                let explained = self.explain(&user, tweet).await;
                let answer = explained.unwrap_or_else(|error| refusal(&error));
                wire.send(&answer).await
            }
            Some(Request::Import { source, attach }) => self.import(wire, source, attach).await,
            Some(Request::Rebuild { user }) => self.rebuild(wire, user).await,
        }
    }

    async fn rebuild(&self, wire: &mut Wire, user: Option<String>) -> Result<(), WireError> {
        let Ok(_rebuilding) = self.rebuilding.try_lock() else {
            let sentence = "another rebuild is under way: wait for its end".to_owned();
            let exit_code = runtime::exit::TEMPORARY;
            return wire.send(&Answer::Refused { sentence, exit_code }).await;
        };
        rebuild(&self.timelines, user, wire, &self.shutdown).await
    }

    async fn explain(&self, user: &str, tweet: TweetId) -> Result<Answer, OperationError> {
        let user: AccountName = user.parse()?;
        let accounts = Accounts::Running(Arc::clone(&self.service));
        let explanation = operations::explain(&self.timeline_read, &accounts, user, tweet).await?;
        Ok(Answer::Explained { explanation })
    }

    async fn import(&self, wire: &mut Wire, source: String, attach: bool) -> Result<(), WireError> {
        let Ok(_importing) = self.importing.try_lock() else {
            let sentence = "another import is under way: wait for its end".to_owned();
            let exit_code = runtime::exit::TEMPORARY;
            return wire.send(&Answer::Refused { sentence, exit_code }).await;
        };
        tracing::info!(source, "an import began");
        match self.import_parts(wire, source.clone(), attach).await {
            Ok(made) => {
                tracing::info!(source, accounts = made.accounts, edges = made.edges, "an import ended");
                wire.send(&Answer::Done {}).await
            }
            Err(stopped) => {
                tracing::warn!(source, reason = %stopped, "an import stopped at the end of a batch; run it again to finish it");
                match stopped {
                    ImportStopped::ClientGone | ImportStopped::Wire(_) => Ok(()),
                    ImportStopped::Operation(error) => wire.send(&refusal(&error)).await,
                    ImportStopped::ShuttingDown => {
                        let sentence = "the system is shutting down: run the import again to finish it".to_owned();
                        let exit_code = runtime::exit::TEMPORARY;
                        wire.send(&Answer::Refused { sentence, exit_code }).await
                    }
                }
            }
        }
    }

    async fn import_parts(&self, wire: &mut Wire, source: String, attach: bool) -> Result<ImportCounts, ImportStopped> {
        let import = Import::begin(Accounts::Running(Arc::clone(&self.service)), source, attach).await?;
        wire.send(&Answer::Ready {}).await?;
        let mut made = ImportCounts::default();
        loop {
            let receiving = wire.receive(PART_WITHIN);
            let Some(part) = self.shutdown.run_until_cancelled(receiving).await else {
                return Err(ImportStopped::ShuttingDown);
            };
            match part?.ok_or(ImportStopped::ClientGone)? {
                ImportPart::Edges { edges } => {
                    let counts = import.add(edges).await?;
                    made += counts;
                    wire.send(&Answer::Imported(counts)).await?;
                }
                ImportPart::End {} => {
                    import.end().await?;
                    return Ok(made);
                }
            }
        }
    }
}

/// An error as an answer.
pub(super) fn refusal(error: &OperationError) -> Answer {
    Answer::Refused {
        sentence: error.to_string(),
        exit_code: error.exit_code(),
    }
}

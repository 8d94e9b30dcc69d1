//! The embedded stores of one data folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{fs, io};

use model::{Clock, SystemClock, WorkerId};
use runtime::exit;
use rusqlite::ErrorCode;
use storage_sqlite::{
    DeliveryOptions, GraphOptions, OpenError, SqliteDeliveries, SqliteGraph, SqliteTweets, TweetOptions,
};

use crate::data_dir::DataDir;

/// The only one in this data folder: the lock sees to it.
const WORKER: WorkerId = match WorkerId::new(0) {
    Ok(worker) => worker,
    Err(_) => panic!("0 is a worker id"),
};

const BETWEEN_LOOKS: Duration = Duration::from_millis(5);

const TWEETS: &str = "tweets.db";
const GRAPH: &str = "graph.db";
/// Lies there from before the first store is made until both are: a first start that was killed in between lost nothing.
const UNFINISHED: &str = "first-start";

/// The stores could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoresError {
    /// One of them could not.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Accounts are there, and their tweets are not.
    #[error(
        "{GRAPH} is in {} and {TWEETS} is not: the tweets are lost. Restore both files from one backup, \
         or go on without any tweet by `rookery migrate --accept-loss`",
        .0.display()
    )]
    TweetsLost(PathBuf),
    /// Tweets are there, and the accounts that posted them are not.
    #[error(
        "{TWEETS} is in {} and {GRAPH} is not: the accounts are lost. Restore both files from one backup, \
         or move the folder away and begin anew (new accounts would be taken for the authors of these tweets)",
        .0.display()
    )]
    GraphLost(PathBuf),
    /// The folder cannot be written to.
    #[error("{UNFINISHED} cannot be written in the data folder: {0}")]
    Folder(#[source] io::Error),
}

impl StoresError {
    /// What a process exits with.
    pub(crate) fn exit_code(&self) -> u8 {
        let source = match self {
            Self::Open(OpenError::Sqlite { source, .. }) => source,
            Self::Folder(_) => return exit::CANNOT_CREATE,
            Self::Open(_) | Self::TweetsLost(_) | Self::GraphLost(_) => return exit::DATA_ERROR,
        };
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => exit::DATA_ERROR,
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::DiskFull) => {
                exit::CANNOT_CREATE
            }
            Some(ErrorCode::SystemIoFailure) => exit::IO_ERROR,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => exit::TEMPORARY,
            _ => exit::SOFTWARE,
        }
    }
}

/// All that is durable.
pub(crate) struct Stores {
    pub(crate) tweets: Arc<SqliteTweets>,
    pub(crate) graph: Arc<SqliteGraph>,
    pub(crate) deliveries: Arc<SqliteDeliveries>,
}

impl Stores {
    /// Opens all stores, which brings them to the schema of this build. Blocks: follower lists are read into memory.
    pub(crate) fn open(dir: &Path, max_backlog: u64, clock: &Arc<dyn Clock>) -> Result<Self, StoresError> {
        begin(dir)?;
        let tweets = TweetOptions {
            max_backlog,
            ..TweetOptions::new(WORKER)
        };
        let stores = Self {
            tweets: SqliteTweets::open(dir, Arc::clone(clock), tweets)?,
            graph: SqliteGraph::open(dir, Arc::clone(clock), GraphOptions::default())?,
            deliveries: SqliteDeliveries::open(dir, DeliveryOptions::default())?,
        };
        end(dir)?;
        Ok(stores)
    }

    /// Closes them: what was queued is written, and their threads have ended. Answers whether that was so in time. Whoever
    /// else still holds a store is waited for.
    pub(crate) async fn close(self, within: Duration) -> bool {
        let give_up = Instant::now() + within;
        let closing = tokio::task::spawn_blocking(move || {
            // All of them, also when one is late.
            let closed = [
                close(self.tweets, give_up),
                close(self.graph, give_up),
                close(self.deliveries, give_up),
            ];
            closed.iter().all(|&in_time| in_time)
        });
        closing.await.unwrap_or(false)
    }
}

fn close<S>(store: Arc<S>, give_up: Instant) -> bool {
    let mut store = store;
    loop {
        match Arc::try_unwrap(store) {
            // A store that is dropped finishes its writes and joins its threads.
            Ok(last) => {
                drop(last);
                return true;
            }
            Err(shared) if Instant::now() < give_up => store = shared,
            Err(_) => return false,
        }
        std::thread::sleep(BETWEEN_LOOKS);
    }
}

/// Before stores are opened: one alone is refused; where there is none, both are about to be made.
fn begin(dir: &Path) -> Result<(), StoresError> {
    are_a_pair(dir)?;
    if !is_there(dir, TWEETS) {
        fs::write(dir.join(UNFINISHED), "").map_err(StoresError::Folder)?;
    }
    Ok(())
}

/// Both stores are there.
fn end(dir: &Path) -> Result<(), StoresError> {
    match fs::remove_file(dir.join(UNFINISHED)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoresError::Folder(error)),
        _ => Ok(()),
    }
}

/// Tweets and accounts are made together, and mean nothing without each other.
fn are_a_pair(dir: &Path) -> Result<(), StoresError> {
    match (is_there(dir, TWEETS), is_there(dir, GRAPH)) {
        _ if dir.join(UNFINISHED).exists() => Ok(()),
        (false, true) => Err(StoresError::TweetsLost(dir.to_owned())),
        (true, false) => Err(StoresError::GraphLost(dir.to_owned())),
        _ => Ok(()),
    }
}

/// Empty files don't count: the data folder makes them, for their permissions.
fn is_there(dir: &Path, store: &str) -> bool {
    dir.join(store).metadata().is_ok_and(|file| file.len() > 0)
}

/// Makes the store of tweets anew after it was lost. Lost accounts cannot be done without.
pub(crate) fn accept_loss_of_tweets(dir: &Path) -> Result<(), StoresError> {
    match are_a_pair(dir) {
        Err(StoresError::TweetsLost(_)) => {
            SqliteTweets::open(dir, Arc::new(SystemClock), TweetOptions::new(WORKER))?;
            Ok(())
        }
        other => other,
    }
}

/// Opens accounts and edges alone. Where nothing is yet, the store of tweets is made too: the two are a pair.
pub(crate) fn open_graph(data_dir: &DataDir) -> Result<Arc<SqliteGraph>, StoresError> {
    let dir = data_dir.path();
    begin(dir)?;
    if !is_there(dir, TWEETS) {
        SqliteTweets::open(dir, Arc::new(SystemClock), TweetOptions::new(WORKER))?;
    }
    let graph = SqliteGraph::open(dir, Arc::new(SystemClock), GraphOptions::default())?;
    end(dir)?;
    Ok(graph)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_start_that_was_killed_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        begin(dir.path()).unwrap();
        fs::write(dir.path().join(TWEETS), "made").unwrap();
        begin(dir.path()).unwrap();
        fs::write(dir.path().join(GRAPH), "made").unwrap();
        end(dir.path()).unwrap();
        fs::remove_file(dir.path().join(GRAPH)).unwrap();
        assert!(matches!(begin(dir.path()), Err(StoresError::GraphLost(_))));
    }
}

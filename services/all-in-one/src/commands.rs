//! The commands of the command line, each of which works on a running system and on a stopped one.

mod explain;
mod import_graph;
mod migrate;
mod rebuild;
mod system;
mod token;

use std::path::PathBuf;

use graph_import::ImportFailure;
use model::InvalidRules;
use runtime::Settings;
use runtime::exit;

use crate::cli::Command;
use crate::control::ClientError;
use crate::data_dir::DataDirError;
use crate::keys::KeysError;
use crate::operations::OperationError;
use crate::stores::StoresError;

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A process has the data and does not answer.
    #[error("{0}, and does not take commands: it may be starting, stopping or of another version")]
    NoAnswer(DataDirError),
    /// There is no data yet.
    #[error("there is no data in {}: start rookery first, or say with ROOKERY__DATA_DIR where it lies", .0.display())]
    NoData(PathBuf),
    /// The stores cannot be opened.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// There is no key to sign tokens with.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The thresholds make no sense.
    #[error("timeline: {0}")]
    Rules(#[from] InvalidRules),
    /// A file was not imported, or not whole.
    #[error(transparent)]
    Import(#[from] Box<ImportFailure<CommandError>>),
    /// The running process did not do it.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A store failed in the middle.
    #[error("some timelines are as they were: run it again")]
    NotRebuilt,
    /// The stores were opened and it was not done.
    #[error(transparent)]
    Operation(#[from] OperationError),
}

impl CommandError {
    /// What the process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(error) | Self::NoAnswer(error) => error.exit_code(),
            Self::NoData(_) => exit::NO_INPUT,
            Self::Import(failure) => failure.exit_code(Self::exit_code),
            Self::Stores(error) => error.exit_code(),
            Self::Keys(error) => error.exit_code(),
            Self::Rules(_) => exit::USAGE,
            Self::Client(ClientError::Refused { exit_code, .. }) => *exit_code,
            Self::Operation(error) => error.exit_code(),
            Self::Client(_) | Self::NotRebuilt => exit::TEMPORARY,
        }
    }
}

/// Carries out a command.
pub async fn run(settings: &Settings, command: Command) -> Result<(), CommandError> {
    match command {
        Command::ImportGraph { file, skip_bad, attach } => import_graph::run(settings, &file, skip_bad, attach).await,
        Command::Token { handle } => token::run(settings, handle).await,
        Command::Rebuild(which) => rebuild::run(settings, which.user).await,
        Command::Explain { user, tweet, json } => explain::run(settings, user, tweet, json).await,
        Command::Migrate { accept_loss } => migrate::run(settings, accept_loss).await,
    }
}

//! Why the system does not start.

use bootstrap::ListenError;
use model::InvalidRules;
use runtime::exit;
use storage::StoreError;

use crate::data_dir::DataDirError;
use crate::keys::KeysError;
use crate::stores::StoresError;

/// Why the system does not start: a sentence for whoever started it, and an exit code.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data folder cannot be used.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A store cannot be opened.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// There is no key to sign tokens with.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The thresholds make no sense.
    #[error("timeline: {0}")]
    Rules(#[from] InvalidRules),
    /// The stores were opened and do not answer.
    #[error("the stores do not answer: {0}")]
    Store(#[from] StoreError),
}

impl StartError {
    /// What a process exits with.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(error) => error.exit_code(),
            Self::Stores(error) => error.exit_code(),
            Self::Keys(error) => error.exit_code(),
            Self::Rules(_) => exit::USAGE,
            Self::Listen(error) => error.exit_code(),
            Self::Store(error) if error.is_transient() => exit::UNAVAILABLE,
            Self::Store(_) => exit::DATA_ERROR,
        }
    }
}

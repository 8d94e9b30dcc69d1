//! Why a service does not start.

use bootstrap::{Failure, ListenError};
use graph_replica::InvalidRemote;
use http_kit::KeyError;
use model::InvalidRules;
use runtime::exit;
use storage::StoreError;

/// Why a service does not start, or not yet.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A key is no key.
    #[error("{key}: {source}")]
    Key {
        /// The variable.
        key: &'static str,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
    /// The thresholds make no sense.
    #[error("timeline: {0}")]
    Rules(#[from] InvalidRules),
    /// follow-graph cannot be asked.
    #[error("follow_graph.url: {0}")]
    Remote(#[from] InvalidRemote),
    /// PostgreSQL.
    #[error(transparent)]
    Postgres(#[from] storage_postgres::OpenError),
    /// Redis.
    #[error(transparent)]
    Redis(#[from] storage_redis::OpenError),
    /// The Redis of the event stream, where it is another one.
    #[error("events.redis_url: {0}")]
    Events(#[source] storage_redis::OpenError),
    /// Stores that cannot be opened: all of them.
    #[error("{}", sentence(.0))]
    Several(Vec<Self>),
    /// The stores were opened and do not answer.
    #[error("the stores do not answer: {0}")]
    Store(#[from] StoreError),
    /// Health cannot be served while the stores are waited for.
    #[error("the internal port cannot be served: {0}")]
    Waiting(#[from] std::io::Error),
}

impl BackendError {
    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => error.is_transient(),
            Self::Redis(error) | Self::Events(error) => error.is_transient(),
            Self::Several(errors) => errors.iter().all(Self::is_transient),
            Self::Store(error) => error.is_transient(),
            _ => false,
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Listen(error) => error.exit_code(),
            Self::Store(_) | Self::Waiting(_) => exit::UNAVAILABLE,
            Self::Postgres(error) if error.is_transient() => exit::UNAVAILABLE,
            Self::Redis(error) | Self::Events(error) if error.is_transient() => exit::UNAVAILABLE,
            Self::Several(_) if self.is_transient() => exit::UNAVAILABLE,
            _ => exit::USAGE,
        }
    }
}

fn sentence(errors: &[BackendError]) -> String {
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    told.join("; ")
}

impl From<BackendError> for Failure {
    fn from(error: BackendError) -> Self {
        let code = error.exit_code();
        Self::new(error, code)
    }
}

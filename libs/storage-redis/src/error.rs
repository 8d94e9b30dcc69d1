//! Why Redis cannot be used, and how its failures look to callers.

use fred::error::{Error, ErrorKind};
use storage::StoreError;

/// Why a start on this Redis is impossible, or impossible for now.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none.
    #[error("the URL of Redis cannot be used: {reason}")]
    BadUrl {
        /// What is wrong with it. Never the URL itself, which holds a password.
        reason: String,
    },
    /// Nobody answers, or the server refuses the login.
    #[error("Redis cannot be reached: {reason}")]
    Unreachable {
        /// Why.
        reason: String,
    },
}

impl OpenError {
    /// Whether waiting may help.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    pub(crate) fn bad_url(reason: impl Into<String>) -> Self {
        Self::BadUrl { reason: reason.into() }
    }
}

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        Self::Unreachable {
            reason: error.to_string(),
        }
    }
}

/// What a caller can do about a failure of `store`.
pub(crate) fn store_error(store: &'static str, error: Error) -> StoreError {
    match error.kind() {
        ErrorKind::Timeout => StoreError::Timeout { store },
        ErrorKind::Backpressure => StoreError::Overloaded { store },
        // The server is at its limit of memory, and may evict nothing.
        _ if error.details().starts_with("OOM") => StoreError::Overloaded { store },
        // A script has found what another version wrote.
        _ if error.details().starts_with("FORMAT") => StoreError::Corrupt {
            store,
            what: error.details().to_owned(),
        },
        _ => StoreError::unavailable(store, error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mapped(kind: ErrorKind, details: &'static str) -> StoreError {
        store_error("Redis", Error::new(kind, details))
    }

    #[test]
    fn failures_say_what_a_caller_can_do() {
        assert!(matches!(mapped(ErrorKind::Timeout, "t"), StoreError::Timeout { .. }));
        let full = mapped(ErrorKind::Backpressure, "queue");
        assert!(matches!(full, StoreError::Overloaded { .. }));
        let full = mapped(
            ErrorKind::Unknown,
            "OOM command not allowed when used memory > 'maxmemory'.",
        );
        assert!(matches!(full, StoreError::Overloaded { .. }));
        let loading = mapped(ErrorKind::Unknown, "LOADING Redis is loading the dataset in memory");
        assert!(matches!(loading, StoreError::Unavailable { .. }) && loading.is_transient());
    }
}

//! Why Redis cannot be used, and how its failures look to callers.

use std::fmt::Display;

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
    /// Nobody answers, or something that is no Redis, or one that is not ready.
    #[error("Redis cannot be reached: {reason}")]
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The server answers, and refuses who asks or what the URL asks for: waiting does not help.
    #[error("Redis refuses the login: {reason}")]
    LoginRefused {
        /// Why, and what to do.
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

    /// Something takes connections there.
    pub(crate) fn no_redis(answer: impl Display) -> Self {
        Self::Unreachable {
            reason: format!(
                "what takes connections there does not answer as a Redis does ({answer}): check host and port"
            ),
        }
    }
}

/// What a server says when it refuses a login, and what to do. Part of what it says is the same for all versions.
const REFUSALS: &[(&str, &str)] = &[
    ("NOAUTH", "the URL needs a password, as in redis://user:password@host"),
    ("WRONGPASS", "the URL must have the server's user and password"),
    ("invalid password", "the URL must have the server's password"),
    ("NOPERM", "give this user the right on the server (ACL SETUSER)"),
    (
        "DB index",
        "the number in the URL must be one of the server's databases",
    ),
    (
        "cluster support disabled",
        "the server is no cluster: its URL begins with redis:// or rediss://",
    ),
];

impl From<Error> for OpenError {
    fn from(error: Error) -> Self {
        let said = error.details();
        match REFUSALS.iter().find(|(refusal, _)| said.contains(refusal)) {
            Some((_, what_to_do)) => Self::LoginRefused {
                reason: format!("{}: {what_to_do}", said.trim_end_matches('.')),
            },
            None if said.starts_with("Decode Error") => Self::no_redis(said),
            None => Self::Unreachable {
                reason: error.to_string(),
            },
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

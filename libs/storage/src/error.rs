//! How any store may fail.

/// A cause, kept for the log.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A store did not do what it was asked, for reasons of its own.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The deadline passed. A write may have been done.
    #[error("{store} did not answer in time")]
    Timeout {
        /// Which store.
        store: &'static str,
    },
    /// Its queue is full. Nothing was done.
    #[error("{store} has too much to do")]
    Overloaded {
        /// Which store.
        store: &'static str,
    },
    /// It cannot be reached, or failed. A write may have been done.
    #[error("{store} is unavailable")]
    Unavailable {
        /// Which store.
        store: &'static str,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// It holds something that this build does not understand: waiting will not help.
    #[error("{store} holds something unreadable: {what}")]
    Corrupt {
        /// Which store.
        store: &'static str,
        /// What.
        what: String,
    },
}

impl StoreError {
    /// Wraps a cause.
    pub fn unavailable(store: &'static str, source: impl Into<BoxError>) -> Self {
        Self::Unavailable {
            store,
            source: source.into(),
        }
    }

    /// Whether trying again later may help.
    pub const fn is_transient(&self) -> bool {
        !matches!(self, Self::Corrupt { .. })
    }
}

//! Why the stores cannot be opened, and how their failures look to callers.

use std::time::Duration;

use storage::StoreError;
use tokio_postgres::error::SqlState;

/// Why a start on this database is impossible, or impossible for now.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is none.
    #[error("postgres.url cannot be used: {reason}")]
    BadUrl {
        /// What is wrong with it. Never the URL itself, which holds a password.
        reason: String,
    },
    /// Nobody answers, or not by TLS, or with a certificate that is not to be trusted.
    #[error("PostgreSQL cannot be reached: {reason}")]
    Unreachable {
        /// Why.
        reason: String,
    },
    /// The server answers, and refuses the login: waiting does not help.
    #[error("PostgreSQL refuses the login: {reason}")]
    LoginRefused {
        /// Why.
        reason: String,
    },
    /// A query of the start failed.
    #[error("PostgreSQL failed: {0}")]
    Failed(#[from] StoreError),
    /// The schema is older than this binary needs.
    #[error("the database is at schema {found}, and this version needs {needed}: run `follow-graph migrate`")]
    SchemaTooOld {
        /// What is there.
        found: u32,
        /// What is needed.
        needed: u32,
    },
    /// The schema is from the future.
    #[error(
        "the database is at schema {found}, which this version does not understand (it knows {known}): use the newer version"
    )]
    SchemaTooNew {
        /// What is there.
        found: u32,
        /// The newest that this version knows.
        known: u32,
    },
    /// Tweets are being accepted, in an epoch that is to end.
    #[error(
        "{processes} processes of tweet-ingest are running, and would go on in the epoch that ends: stop all services, and begin \
         the new epoch then. One that was killed counts for another {} s",
        crate::tweets::LEASE.as_secs()
    )]
    ServicesRun {
        /// How many hold a worker id.
        processes: i64,
    },
    /// A migration did not get the tables that it alters. Nothing of it was done.
    #[error(
        "migration {version} did not get the tables that it alters within {} s, and nothing of it was done. Sessions that \
         hold tables: {blockers}. Wait for them, or end them (pg_terminate_backend), and migrate again; pg_stat_activity \
         and pg_locks show what they do",
        waited.as_secs()
    )]
    TablesInUse {
        /// The migration's number.
        version: u32,
        /// How long it tried.
        waited: Duration,
        /// The sessions that held tables at its last try, in words.
        blockers: String,
    },
}

impl OpenError {
    /// Why there is no connection.
    pub(crate) fn of_connecting(error: &tokio_postgres::Error) -> Self {
        let reason = reason(error);
        let is_refusal = error.code().is_some_and(|code| {
            [
                SqlState::INVALID_PASSWORD,
                SqlState::INVALID_AUTHORIZATION_SPECIFICATION,
                SqlState::INVALID_CATALOG_NAME,
                SqlState::INSUFFICIENT_PRIVILEGE,
            ]
            .contains(code)
        });
        if is_refusal {
            Self::LoginRefused { reason }
        } else if reason.contains("invalid peer certificate") {
            let what_to_do =
                "give the authority's certificate by sslrootcert=FILE in the URL, or do without TLS by sslmode=disable";
            Self::Unreachable {
                reason: format!("{reason}: {what_to_do}"),
            }
        } else {
            Self::Unreachable { reason }
        }
    }

    /// Whether waiting may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::SchemaTooOld { .. }
            | Self::TablesInUse { .. }
            | Self::ServicesRun { .. } => true,
            Self::Failed(error) => error.is_transient(),
            Self::BadUrl { .. } | Self::LoginRefused { .. } | Self::SchemaTooNew { .. } => false,
        }
    }
}

/// What PostgreSQL says, without what was asked: values of a statement are nobody's business in a log.
pub(crate) fn reason(error: &tokio_postgres::Error) -> String {
    if let Some(error) = error.as_db_error() {
        return format!("{} ({})", error.message(), error.code().code());
    }
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

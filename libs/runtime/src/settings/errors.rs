//! What can be wrong with a configuration. All of it is told at once.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use super::keys::variable;

/// Something wrong with the configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigProblem {
    /// The file can't be read.
    #[error("the configuration file {} can't be read: {reason}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A source is not well-formed.
    #[error("{reason}")]
    Malformed {
        /// Where and why.
        reason: String,
    },
    /// There is no such key.
    #[error("unknown key `{key}` in {origin}{}", hint.map(|known| format!("; did you mean `{known}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands.
        origin: String,
        /// The known key that is most like it.
        hint: Option<&'static str>,
    },
    /// A value of the wrong kind.
    #[error("`{key}` in {origin}: {reason}")]
    BadValue {
        /// The key.
        key: String,
        /// Where it stands.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// A secret comes both ways.
    #[error("both {variable} and {variable}_FILE are set: set one")]
    SecretTwice {
        /// The variable.
        variable: String,
    },
    /// A secret's file can't be read.
    #[error("{variable}_FILE names {}, which can't be read: {reason}", path.display())]
    SecretUnreadable {
        /// The variable.
        variable: String,
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A value that its key does not allow, or not together with others.
    #[error("`{key}` {reason}")]
    Refused {
        /// The key.
        key: &'static str,
        /// What is wrong. Never the value, which may be a secret.
        reason: Cow<'static, str>,
    },
    /// A program cannot do without this key.
    #[error("`{key}` is not set, and this program needs it ({})", variable(key))]
    Missing {
        /// The key.
        key: &'static str,
    },
}

impl ConfigProblem {
    /// Whether this one tells already what is wrong with the key of `other`, or keeps it from being known.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let (Self::Refused { key, .. } | Self::Missing { key }) = other else {
            return false;
        };
        match self {
            Self::Unreadable { .. } | Self::Malformed { .. } => matches!(other, Self::Missing { .. }),
            Self::SecretTwice { variable: told } | Self::SecretUnreadable { variable: told, .. } => {
                *told == variable(key)
            }
            Self::BadValue { key: told, .. } => told == key,
            Self::Refused { key: told, .. } | Self::Missing { key: told } => told == key,
            Self::UnknownKey { .. } => false,
        }
    }
}

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigProblem>);

impl ConfigErrors {
    /// The exit code of a process that can't start for it.
    pub const fn exit_code(&self) -> u8 {
        crate::exit::USAGE
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not usable:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

impl std::error::Error for ConfigErrors {}

//! The keys of tokens: the configured ones, or the data folder's own.

use std::sync::Arc;
use std::time::Duration;

use http_kit::auth::{generate_private_key, public_key_of};
use http_kit::{KeyError, TokenIssuer, VerifyingKeys};
use model::Clock;
use runtime::{Settings, exit};
use secrecy::{ExposeSecret, SecretString};

use crate::data_dir::{DataDir, DataDirError};

const SECONDS_A_DAY: u64 = 86_400;

/// A key is missing or no key.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// The data folder's own key can be neither read nor made.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// A configured key, or what lies in the data folder, is no key.
    #[error("{origin}: {source}")]
    NoKey {
        /// Where it is from.
        origin: &'static str,
        /// What is wrong.
        #[source]
        source: KeyError,
    },
}

impl KeysError {
    /// What a process exits with.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::DataDir(error) => error.exit_code(),
            Self::NoKey { .. } => exit::USAGE,
        }
    }
}

/// The private key, and the public ones.
pub(crate) struct Keys {
    private: SecretString,
    origin: &'static str,
}

impl Keys {
    /// The configured private key, or the data folder's, which is made in the first run.
    pub(crate) fn load(settings: &Settings, data_dir: &DataDir) -> Result<Self, KeysError> {
        Ok(match &settings.auth.private_key {
            Some(configured) => Self {
                private: configured.clone(),
                origin: "ROOKERY__AUTH__PRIVATE_KEY",
            },
            None => Self {
                private: data_dir.private_key(generate_private_key)?,
                origin: "signing-key.pem in the data folder",
            },
        })
    }

    /// What makes tokens.
    pub(crate) fn issuer(&self, settings: &Settings, clock: Arc<dyn Clock>) -> Result<TokenIssuer, KeysError> {
        let issuer = TokenIssuer::new(self.private.expose_secret(), clock).map_err(self.no_key())?;
        let lifetime = Duration::from_secs(u64::from(settings.auth.token_days) * SECONDS_A_DAY);
        Ok(issuer.with_lifetime(lifetime))
    }

    /// What verifies them: the private key's other half, and the configured keys, so that older ones go on counting.
    pub(crate) fn verifying(&self, settings: &Settings) -> Result<VerifyingKeys, KeysError> {
        let mut bundle = public_key_of(self.private.expose_secret()).map_err(self.no_key())?;
        if let Some(configured) = &settings.auth.public_keys {
            bundle.push_str(configured.expose_secret());
        }
        VerifyingKeys::from_bundle(&bundle).map_err(|source| KeysError::NoKey {
            origin: "ROOKERY__AUTH__PUBLIC_KEYS",
            source,
        })
    }

    fn no_key(&self) -> impl FnOnce(KeyError) -> KeysError {
        let origin = self.origin;
        move |source| KeysError::NoKey { origin, source }
    }
}

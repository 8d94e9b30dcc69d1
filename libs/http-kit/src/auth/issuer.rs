//! Makes tokens.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{Clock, Session, User};

use super::claims::Claims;
use super::extract::Identity;
use super::keys::{KeyError, kid, parse_private};

const DEFAULT_LIFETIME: Duration = Duration::from_hours(30 * 24);

/// A token that was just made.
#[derive(Debug, Clone)]
pub struct IssuedToken {
    /// The token.
    pub token: String,
    /// What it stands for, and until when.
    pub session: Session,
}

/// Signs tokens with the one private key.
pub struct TokenIssuer {
    key: EncodingKey,
    header: Header,
    lifetime: Duration,
    clock: Arc<dyn Clock>,
}

impl TokenIssuer {
    /// An issuer with this key (PKCS#8 PEM), whose tokens last 30 days.
    pub fn new(private_key_pem: &str, clock: Arc<dyn Clock>) -> Result<Self, KeyError> {
        let key = parse_private(private_key_pem)?;
        let der = key.to_pkcs8_der().map_err(|_| KeyError::NotPrivate)?;
        Ok(Self {
            header: Header {
                kid: Some(kid(&key.verifying_key())),
                ..Header::new(Algorithm::EdDSA)
            },
            key: EncodingKey::from_ed_der(der.as_bytes()),
            lifetime: DEFAULT_LIFETIME,
            clock,
        })
    }

    /// Tokens last so long.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// A new token for this account.
    pub fn issue(&self, user: &User, credential_version: u32) -> IssuedToken {
        let now_s = self.clock.unix_ms() / 1_000;
        let claims = Claims {
            sub: user.id,
            handle: user.handle.clone(),
            name: user.display_name.clone(),
            ver: credential_version,
            jti: format!("{:032x}", rand::random::<u128>()),
            iat: now_s,
            exp: now_s + self.lifetime.as_secs(),
        };
        let token = jsonwebtoken::encode(&self.header, &claims, &self.key)
            .expect("the key was checked when the issuer was made, and the claims are strings and numbers");
        IssuedToken {
            token,
            session: Identity::from(claims).session,
        }
    }
}

//! Makes tokens.

use std::sync::Arc;
use std::time::Duration;

use ed25519_dalek::pkcs8::EncodePrivateKey;
use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use model::{Clock, Session};
use sha2::{Digest, Sha256};
use storage::Credentials;

use super::claims::Claims;
use super::extract::Identity;
use super::keys::{KeyError, kid, parse_private};
use crate::BodyDigest;

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
    /// Derived from the private key: keys digests of bodies that hold secrets.
    digest_key: [u8; 32],
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
            digest_key: Sha256::new_with_prefix("rookery digest key")
                .chain_update(der.as_bytes())
                .finalize()
                .into(),
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

    /// A digest that nobody without the private key can compute: what is stored of a body with a password in it does not
    /// help to guess the password.
    pub fn keyed_digest(&self, digest: BodyDigest) -> BodyDigest {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.digest_key).expect("HMAC takes keys of any length");
        mac.update(&digest.0);
        BodyDigest(mac.finalize().into_bytes().into())
    }

    /// A new token for the account with these credentials.
    pub fn issue(&self, credentials: &Credentials) -> IssuedToken {
        let user = &credentials.user;
        let now_s = self.clock.unix_ms() / 1_000;
        let claims = Claims {
            sub: user.id,
            handle: user.handle.clone(),
            name: user.display_name.clone(),
            ver: credentials.credential_version,
            epoch: credentials.epoch.0,
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

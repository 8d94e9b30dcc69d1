//! Ed25519 keys: private ones as PKCS#8 PEM, public ones as SPKI PEM, named by `kid`.

use std::collections::HashMap;
use std::fmt::Write as _;

use ed25519_dalek::SigningKey;
use ed25519_dalek::VerifyingKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey};
use jsonwebtoken::DecodingKey;
use secrecy::SecretString;
use sha2::{Digest, Sha256};

const END_OF_PUBLIC_KEY: &str = "-----END PUBLIC KEY-----";

/// A key that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// Not a private key.
    #[error("the private key is not an Ed25519 key in PKCS#8 PEM (`openssl genpkey -algorithm ed25519` makes one)")]
    NotPrivate,
    /// Not a public key.
    #[error("public key number {number} is not an Ed25519 key in SPKI PEM (`openssl pkey -pubout` makes one)")]
    NotPublic {
        /// Which one, from 1.
        number: usize,
    },
    /// None at all.
    #[error("there is no public key to verify tokens with")]
    NoneGiven,
}

/// A new private key, as PEM.
pub fn generate_private_key() -> SecretString {
    let key = SigningKey::from_bytes(&rand::random());
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .expect("32 bytes always fit a PKCS#8 document");
    SecretString::from(pem.as_str())
}

/// The public half of a private key, both as PEM.
pub fn public_key_of(private_key_pem: &str) -> Result<String, KeyError> {
    Ok(public_pem(&parse_private(private_key_pem)?.verifying_key()))
}

pub(super) fn parse_private(pem: &str) -> Result<SigningKey, KeyError> {
    SigningKey::from_pkcs8_pem(pem.trim()).map_err(|_| KeyError::NotPrivate)
}

fn public_pem(key: &VerifyingKey) -> String {
    key.to_public_key_pem(LineEnding::LF)
        .expect("32 bytes always fit an SPKI document")
}

/// The name of a key: the first 16 hexadecimal digits of the SHA-256 of its public half in DER.
pub(super) fn kid(key: &VerifyingKey) -> String {
    let der = key.to_public_key_der().expect("32 bytes always fit an SPKI document");
    let digest = Sha256::digest(der.as_bytes());
    digest[..8].iter().fold(String::with_capacity(16), |mut name, byte| {
        write!(name, "{byte:02x}").expect("writing to a string can't fail");
        name
    })
}

/// The keys that tokens are verified with, by `kid`. Several, while one replaces another.
pub struct VerifyingKeys(HashMap<String, DecodingKey>);

impl VerifyingKeys {
    /// From pairs of `kid` and PEM.
    pub fn from_pems<K, P>(pems: impl IntoIterator<Item = (K, P)>) -> Result<Self, KeyError>
    where
        K: Into<String>,
        P: AsRef<str>,
    {
        let mut keys = HashMap::new();
        for (index, (kid, pem)) in pems.into_iter().enumerate() {
            keys.insert(kid.into(), decoding_key(&parse_public(pem.as_ref(), index + 1)?));
        }
        if keys.is_empty() {
            Err(KeyError::NoneGiven)
        } else {
            Ok(Self(keys))
        }
    }

    /// From PEMs one after the other, each named by its own digest.
    pub fn from_bundle(pems: &str) -> Result<Self, KeyError> {
        let blocks = pems
            .split_inclusive(END_OF_PUBLIC_KEY)
            .filter(|block| !block.trim().is_empty());
        let keys: Result<HashMap<_, _>, _> = blocks
            .enumerate()
            .map(|(index, block)| parse_public(block, index + 1).map(|key| (kid(&key), decoding_key(&key))))
            .collect();
        keys.and_then(|keys| {
            if keys.is_empty() {
                Err(KeyError::NoneGiven)
            } else {
                Ok(Self(keys))
            }
        })
    }

    /// The one key that belongs to a private key.
    pub fn of_private_key(private_key_pem: &str) -> Result<Self, KeyError> {
        let key = parse_private(private_key_pem)?.verifying_key();
        Ok(Self(HashMap::from([(kid(&key), decoding_key(&key))])))
    }

    pub(super) fn get(&self, kid: &str) -> Option<&DecodingKey> {
        self.0.get(kid)
    }
}

fn parse_public(pem: &str, number: usize) -> Result<VerifyingKey, KeyError> {
    VerifyingKey::from_public_key_pem(pem.trim()).map_err(|_| KeyError::NotPublic { number })
}

fn decoding_key(key: &VerifyingKey) -> DecodingKey {
    DecodingKey::from_ed_der(key.as_bytes())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_key_is_named_by_its_digest() {
        let private = "-----BEGIN PRIVATE KEY-----\n\
                       MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
                       -----END PRIVATE KEY-----\n";
        let key = parse_private(private).unwrap().verifying_key();
        assert_eq!(kid(&key).len(), 16);
        assert!(
            VerifyingKeys::of_private_key(private)
                .unwrap()
                .get(&kid(&key))
                .is_some()
        );
    }

    #[test]
    fn several_public_keys_come_one_after_the_other() {
        let pems: Vec<_> = (0..3)
            .map(|_| public_key_of(generate_private_key().expose_secret()).unwrap())
            .collect();
        assert_eq!(VerifyingKeys::from_bundle(&pems.concat()).unwrap().0.len(), 3);
        assert_eq!(VerifyingKeys::from_bundle(&pems.join("\n\n")).unwrap().0.len(), 3);
    }

    #[test]
    fn what_is_no_key_is_refused() {
        assert!(matches!(VerifyingKeys::from_bundle(" \n"), Err(KeyError::NoneGiven)));
        let good = public_key_of(generate_private_key().expose_secret()).unwrap();
        let bad = format!("{good}\n-----BEGIN PUBLIC KEY-----\nAAAA\n{END_OF_PUBLIC_KEY}");
        assert!(matches!(
            VerifyingKeys::from_bundle(&bad),
            Err(KeyError::NotPublic { number: 2 })
        ));
        assert!(matches!(public_key_of("nonsense"), Err(KeyError::NotPrivate)));
    }
}

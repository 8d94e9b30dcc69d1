//! Tokens signed with the program's own key: whoever holds the data folder can make any.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

/// The three parts of a token.
pub(crate) fn parts(token: &str) -> [&str; 3] {
    let parts: Vec<&str> = token.split('.').collect();
    parts.try_into().expect("a token has three parts")
}

pub(crate) fn decode(part: &str) -> Value {
    let bytes = BASE64.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

pub(crate) fn encode(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

/// Signs as the program does.
pub(crate) struct Signer {
    key: EncodingKey,
    header: Header,
    claims: Value,
}

impl Signer {
    /// With the key in the data folder, in the manner of a token that the program gave out.
    pub(crate) fn new(data_dir: &Path, token: &str) -> Self {
        let files = fs::read_dir(data_dir).expect("the data folder");
        let pem = files
            .filter_map(|file| fs::read(file.ok()?.path()).ok())
            .find(|content| content.starts_with(b"-----BEGIN PRIVATE KEY-----"));
        let [header, claims, _] = parts(token);
        Self {
            key: EncodingKey::from_ed_pem(&pem.expect("the program made a key")).expect("an Ed25519 key"),
            header: Header {
                kid: decode(header)["kid"].as_str().map(str::to_owned),
                ..Header::new(Algorithm::EdDSA)
            },
            claims: decode(claims),
        }
    }

    /// The claims of the token that the program gave out.
    pub(crate) fn claims(&self) -> &Value {
        &self.claims
    }

    /// A token with these claims.
    pub(crate) fn sign(&self, claims: &Value) -> String {
        jsonwebtoken::encode(&self.header, claims, &self.key).expect("a token")
    }

    /// A token for another account.
    pub(crate) fn for_account(&self, id: &str, handle: &str) -> String {
        let mut claims = self.claims.clone();
        claims["sub"] = json!(id);
        claims["handle"] = json!(handle);
        claims["name"] = json!(handle);
        claims["jti"] = json!(format!("of-{handle}"));
        self.sign(&claims)
    }
}

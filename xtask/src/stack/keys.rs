//! The secrets of a stack.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rand::RngExt;

use super::folder::{create_private_dir, write_private};

/// Files with secrets, which services are told by name.
pub(super) struct Keys(PathBuf);

impl Keys {
    /// Draws them and writes them into a folder.
    pub(super) fn create(folder: &Path) -> Result<Self> {
        let keys = Self(folder.to_owned());
        create_private_dir(folder)?;
        let key = SigningKey::from_bytes(&rand::random());
        let private = key
            .to_pkcs8_pem(LineEnding::LF)
            .map_err(|error| anyhow!("the signing key: {error}"))?;
        let public = key.verifying_key().to_public_key_pem(LineEnding::LF);
        let public = public.map_err(|error| anyhow!("the public key: {error}"))?;
        write_private(&keys.private(), private.as_bytes())?;
        write_private(&keys.public(), public.as_bytes())?;
        write_private(&keys.admin_token(), random_text().as_bytes())?;
        Ok(keys)
    }

    /// Signs tokens.
    pub(super) fn private(&self) -> PathBuf {
        self.0.join("private.pem")
    }

    /// Verifies them.
    pub(super) fn public(&self) -> PathBuf {
        self.0.join("public.pem")
    }

    /// The operators' token.
    pub(super) fn admin_token(&self) -> PathBuf {
        self.0.join("admin-token")
    }

    /// What is in its file.
    pub(super) fn read_admin_token(&self) -> Result<String> {
        fs::read_to_string(self.admin_token()).context("the operators' token")
    }
}

/// Something that nobody can guess.
pub(super) fn random_text() -> String {
    format!("{:032x}", rand::rng().random::<u128>())
}

//! Passwords: argon2id, off the async threads, a few at a time.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use storage::StoreError;
use tokio::sync::Semaphore;

const STORE: &str = "password hashing";

/// How long a password may wait for its turn; then the answer is 503, and nothing piles up.
const WAIT: Duration = Duration::from_millis(1_500);

/// The second recommendation of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
static ARGON2: LazyLock<Argon2<'static>> = LazyLock::new(|| {
    let params = Params::new(19 * 1_024, 2, 1, None).expect("the parameters are within argon2's bounds");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
});

/// What a password is compared with where there is no account, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody's password").expect("hashing a constant works"));

/// Hashes and checks passwords.
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
}

impl Passwords {
    pub(super) fn new(at_once: usize) -> Self {
        LazyLock::force(&NOBODY);
        Self {
            turns: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    /// A PHC string.
    pub(super) async fn hash(&self, password: String) -> Result<String, StoreError> {
        self.work(move || hash(&password)).await
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long, and is not.
    pub(super) async fn matches(&self, password: String, hash: Option<String>) -> Result<bool, StoreError> {
        self.work(move || {
            let known = hash.is_some();
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(&NOBODY))?;
            Ok(ARGON2.verify_password(password.as_bytes(), &hash).is_ok() && known)
        })
        .await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, argon2::password_hash::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let turn = tokio::time::timeout(WAIT, Arc::clone(&self.turns).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            return Err(StoreError::Overloaded { store: STORE });
        };
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        let done = done.await.map_err(|error| StoreError::unavailable(STORE, error))?;
        done.map_err(|error| StoreError::Corrupt {
            store: STORE,
            what: error.to_string(),
        })
    }
}

fn hash(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(ARGON2.hash_password(password.as_bytes())?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new(1);
        let hash = passwords.hash("correct horse".to_owned()).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(
            passwords
                .matches("correct horse".to_owned(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(
            !passwords
                .matches("battery staple".to_owned(), Some(hash))
                .await
                .unwrap()
        );
        assert!(!passwords.matches("nobody's password".to_owned(), None).await.unwrap());
    }
}

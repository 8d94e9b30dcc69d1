//! Passwords: argon2id, off the async threads, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use storage::StoreError;
use tokio::sync::Semaphore;

use crate::settings::PasswordCost;

const STORE: &str = "password hashing";

/// How long a password may wait for its turn; then the answer is 503, and nothing piles up.
const WAIT: Duration = Duration::from_millis(1_500);

/// Hashes and checks passwords.
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    argon2: Argon2<'static>,
    /// What a password is compared with where there is no account, so that it takes as long.
    nobody: Arc<str>,
}

impl Passwords {
    pub(super) fn new(at_once: usize, cost: PasswordCost) -> Self {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params(cost));
        let nobody = hash(&argon2, "nobody's password").expect("hashing a constant works");
        Self {
            turns: Arc::new(Semaphore::new(at_once.max(1))),
            argon2,
            nobody: nobody.into(),
        }
    }

    /// A PHC string.
    pub(super) async fn hash(&self, password: String) -> Result<String, StoreError> {
        let argon2 = self.argon2.clone();
        self.work(move || hash(&argon2, &password)).await
    }

    /// Whether the password is the one that was hashed. Without a hash it takes as long, and is not.
    pub(super) async fn matches(&self, password: String, hash: Option<String>) -> Result<bool, StoreError> {
        let (argon2, nobody) = (self.argon2.clone(), Arc::clone(&self.nobody));
        self.work(move || {
            let known = hash.is_some();
            let hash = PasswordHash::new(hash.as_deref().unwrap_or(&nobody))?;
            Ok(argon2.verify_password(password.as_bytes(), &hash).is_ok() && known)
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

fn params(cost: PasswordCost) -> Params {
    let params = match cost {
        PasswordCost::Recommended => Params::new(19 * 1_024, 2, 1, None),
        PasswordCost::Least => Params::new(Params::MIN_M_COST, Params::MIN_T_COST, 1, None),
    };
    params.expect("the parameters are within argon2's bounds")
}

fn hash(argon2: &Argon2<'_>, password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(argon2.hash_password(password.as_bytes())?.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_own_hash_alone() {
        let passwords = Passwords::new(1, PasswordCost::default());
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

//! Which accounts are deleted and which tokens revoked: asked on every request, so kept in memory, whole.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};

use ahash::{AHashMap, AHashSet};
use model::{Session, UserId};
use parking_lot::RwLock;
use storage::{RevocationState, RevokedToken};

const SHARDS: usize = 64;

/// What has stopped being good. Sharded: no lock is shared by all requests.
pub struct Standing {
    accounts: Vec<RwLock<Accounts>>,
    /// Logged-out tokens with the second in which they end by themselves.
    tokens: Vec<RwLock<AHashMap<String, u64>>>,
    /// How many there are: mostly none, and then nothing is looked up.
    revoked_tokens: AtomicUsize,
    hasher: RandomState,
}

#[derive(Default)]
struct Accounts {
    deleted: AHashSet<UserId>,
    credential_versions: AHashMap<UserId, u32>,
}

impl Standing {
    /// As a store knows it.
    pub fn new(state: RevocationState) -> Self {
        let standing = Self {
            accounts: (0..SHARDS).map(|_| RwLock::default()).collect(),
            tokens: (0..SHARDS).map(|_| RwLock::default()).collect(),
            revoked_tokens: AtomicUsize::new(0),
            hasher: RandomState::new(),
        };
        standing.add(state);
        standing
    }

    /// Takes over what a store knows, beside what is known already.
    pub fn add(&self, state: RevocationState) {
        state.deleted.into_iter().for_each(|user| self.deleted(user));
        for (user, version) in state.credential_versions {
            self.new_credentials(user, version);
        }
        state.tokens.into_iter().for_each(|token| self.logged_out(token));
    }

    /// Whether the account is deleted.
    pub fn is_deleted(&self, user: UserId) -> bool {
        self.accounts_of(user).read().deleted.contains(&user)
    }

    /// Whether the token has been revoked.
    pub fn is_revoked(&self, session: &Session) -> bool {
        let accounts = self.accounts_of(session.user).read();
        let current = accounts.credential_versions.get(&session.user).copied().unwrap_or(1);
        accounts.deleted.contains(&session.user)
            || session.credential_version != current
            || (self.revoked_tokens.load(Ordering::Acquire) > 0
                && self.tokens_of(&session.token_id).read().contains_key(&session.token_id))
    }

    /// The account was deleted.
    pub fn deleted(&self, user: UserId) {
        self.accounts_of(user).write().deleted.insert(user);
    }

    /// The account has credentials of this version now.
    pub fn new_credentials(&self, user: UserId, version: u32) {
        let mut accounts = self.accounts_of(user).write();
        let current = accounts.credential_versions.entry(user).or_default();
        *current = version.max(*current);
    }

    /// The token was logged out.
    pub fn logged_out(&self, token: RevokedToken) {
        let mut tokens = self.tokens_of(&token.token_id).write();
        if tokens.insert(token.token_id, token.expires_at_s).is_none() {
            self.revoked_tokens.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Forgets tokens that have ended by themselves.
    pub fn forget_ended(&self, now_s: u64) {
        for shard in &self.tokens {
            let mut tokens = shard.write();
            let before = tokens.len();
            tokens.retain(|_, expires_at_s| *expires_at_s > now_s);
            self.revoked_tokens.fetch_sub(before - tokens.len(), Ordering::AcqRel);
        }
    }

    fn accounts_of(&self, user: UserId) -> &RwLock<Accounts> {
        &self.accounts[usize::try_from(user.get() % SHARDS as u64).unwrap_or_default()]
    }

    fn tokens_of(&self, token_id: &str) -> &RwLock<AHashMap<String, u64>> {
        let hash = self.hasher.hash_one(token_id);
        &self.tokens[usize::try_from(hash % SHARDS as u64).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use model::Epoch;

    use super::*;

    fn session(user: u64, token: &str, credential_version: u32) -> Session {
        Session {
            user: UserId::new(user),
            token_id: token.to_owned(),
            credential_version,
            epoch: Epoch::default(),
            expires_at_s: 100,
        }
    }

    #[test]
    fn tokens_end_by_logout_new_password_and_deletion() {
        let standing = Standing::new(RevocationState::default());
        assert!(!standing.is_revoked(&session(1, "a", 1)));
        standing.logged_out(RevokedToken::from(&session(1, "a", 1)));
        assert!(standing.is_revoked(&session(1, "a", 1)) && !standing.is_revoked(&session(1, "b", 1)));
        standing.new_credentials(UserId::new(1), 2);
        assert!(standing.is_revoked(&session(1, "b", 1)) && !standing.is_revoked(&session(1, "c", 2)));
        standing.deleted(UserId::new(1));
        assert!(standing.is_revoked(&session(1, "c", 2)));
        standing.forget_ended(100);
        assert_eq!(standing.revoked_tokens.load(Ordering::Acquire), 0);
    }
}

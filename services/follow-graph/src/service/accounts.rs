//! Signing up, logging in and out, passwords, and leaving.

use std::time::Duration;

use http_kit::IssuedToken;
use model::{DisplayName, Handle, Session, User, UserId};
use storage::{AccountError, CreateUserError, Deadline, IdempotencyKey, NewUser, StoreError};
use tokio_util::sync::CancellationToken;

use super::FollowGraphService;

/// Edges that one write of the purge removes.
const PURGED_AT_ONCE: usize = 1_000;
const PURGE_WITHIN: Duration = Duration::from_secs(30);
const BETWEEN_SWEEPS: Duration = Duration::from_mins(1);

/// Why somebody was not let in, or their password not changed.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// The handle, or the password: which, is not said.
    #[error("wrong handle or password")]
    Wrong,
    /// Something about the account.
    #[error(transparent)]
    Account(#[from] AccountError),
}

impl From<StoreError> for LogInError {
    fn from(error: StoreError) -> Self {
        Self::Account(error.into())
    }
}

impl FollowGraphService {
    /// Makes an account.
    pub(crate) async fn sign_up(
        &self,
        handle: Handle,
        display_name: DisplayName,
        password: String,
        deadline: Deadline,
    ) -> Result<User, CreateUserError> {
        // A taken handle costs no hashing.
        if self.ports.store.user_by_handle(&handle, deadline).await?.is_some() {
            return Err(CreateUserError::HandleTaken);
        }
        let password_hash = Some(self.passwords.hash(password).await?);
        self.ports
            .store
            .create_user(
                NewUser {
                    handle,
                    display_name,
                    password_hash,
                },
                deadline,
            )
            .await
    }

    /// A token for whoever knows the password. Whatever is wrong looks the same, in time too.
    pub(crate) async fn log_in(
        &self,
        handle: Option<Handle>,
        password: String,
        deadline: Deadline,
    ) -> Result<(User, IssuedToken), LogInError> {
        let user = match handle {
            Some(handle) => self.ports.store.user_by_handle(&handle, deadline).await?,
            None => None,
        };
        let credentials = match user {
            Some(user) => self.ports.store.credentials(user.id, deadline).await?,
            None => None,
        };
        let hash = credentials
            .as_ref()
            .and_then(|credentials| credentials.password_hash.clone());
        let matches = self.passwords.matches(password, hash).await?;
        let credentials = credentials.filter(|_| matches).ok_or(LogInError::Wrong)?;
        let token = self.issuer.issue(&credentials.user, credentials.credential_version);
        Ok((credentials.user, token))
    }

    /// Ends a token.
    pub(crate) async fn log_out(&self, session: &Session, deadline: Deadline) -> Result<(), StoreError> {
        self.ports.store.revoke(session, deadline).await?;
        self.standing.logged_out(session);
        self.views.changed(session.user);
        Ok(())
    }

    /// Sets a new password, which ends all tokens.
    pub(crate) async fn change_password(
        &self,
        user: UserId,
        old: String,
        new: String,
        idempotency: Option<IdempotencyKey>,
        deadline: Deadline,
    ) -> Result<(), LogInError> {
        let credentials = self
            .ports
            .store
            .credentials(user, deadline)
            .await?
            .ok_or(AccountError::NoSuchUser)?;
        if !self.passwords.matches(old, credentials.password_hash).await? {
            return Err(LogInError::Wrong);
        }
        let hash = self.passwords.hash(new).await?;
        let seen = credentials.credential_version;
        let version = self
            .ports
            .store
            .change_password(user, seen, hash, idempotency, deadline)
            .await?;
        self.standing.new_credentials(user, version);
        self.views.changed(user);
        Ok(())
    }

    /// Deletes an account: it leaves every read at once, its edges go behind it.
    pub(crate) async fn delete_account(&self, user: UserId, deadline: Deadline) -> Result<(), AccountError> {
        self.ports.store.delete_user(user, deadline).await?;
        self.standing.deleted(user);
        self.views.changed(user);
        self.purge.notify_one();
        Ok(())
    }

    /// Removes edges of deleted accounts, whenever there are some.
    pub(super) async fn purge_deleted(&self, shutdown: &CancellationToken) {
        while !shutdown.is_cancelled() {
            match self
                .ports
                .store
                .purge_deleted(PURGED_AT_ONCE, Deadline::after(PURGE_WITHIN))
                .await
            {
                Ok(touched) if !touched.is_empty() => {
                    for user in touched {
                        self.views.changed(user);
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "edges of deleted accounts were not removed; a later sweep does it");
                }
            }
            self.standing.forget_ended(self.clock.unix_ms() / 1_000);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.purge.notified() => {}
                () = tokio::time::sleep(BETWEEN_SWEEPS) => {}
            }
        }
    }
}

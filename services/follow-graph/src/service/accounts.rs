//! Signing up, logging in and out, passwords, and leaving.

use std::sync::Arc;
use std::time::Duration;

use http_kit::IssuedToken;
use model::{DisplayName, Handle, Session, User, UserId};
use storage::{
    AccountError, CreateUserError, Deadline, IdempotencyConflict, IdempotencyKey, NewUser, RevokedToken, SignUpKey,
    StoreError,
};
use tokio_util::sync::CancellationToken;

use super::FollowGraphService;
use super::through::see_through;

/// Edges that one write of the purge removes.
const PURGED_AT_ONCE: usize = 1_000;
const PURGE_WITHIN: Duration = Duration::from_secs(30);
const BETWEEN_SWEEPS: Duration = Duration::from_mins(1);

/// Who wants to join.
pub(crate) struct SignUp {
    pub(crate) handle: Handle,
    pub(crate) display_name: DisplayName,
    pub(crate) password: String,
    pub(crate) idempotency: Option<SignUpKey>,
}

/// Why somebody did not get an account.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignUpError {
    /// The key belongs to another request.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The account was not made.
    #[error(transparent)]
    Create(#[from] CreateUserError),
}

impl From<StoreError> for SignUpError {
    fn from(error: StoreError) -> Self {
        Self::Create(error.into())
    }
}

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
    /// Makes an account. A repeat under the same key gets the account that the first request made.
    pub(crate) async fn sign_up(&self, wanted: SignUp, deadline: Deadline) -> Result<User, SignUpError> {
        // A taken handle costs no hashing.
        if let Some(taken) = self.ports.store.user_by_handle(&wanted.handle, deadline).await? {
            return self.signed_up(taken, wanted, deadline).await;
        }
        let new = NewUser {
            handle: wanted.handle.clone(),
            display_name: wanted.display_name.clone(),
            password_hash: Some(self.passwords.hash(wanted.password.clone()).await?),
            idempotency: wanted.idempotency.clone(),
        };
        match self.ports.store.create_user(new, deadline).await {
            // Perhaps by the same request, at the same time.
            Err(CreateUserError::HandleTaken) => {
                let taken = self.ports.store.user_by_handle(&wanted.handle, deadline).await?;
                let taken = taken.ok_or(CreateUserError::HandleTaken)?;
                self.signed_up(taken, wanted, deadline).await
            }
            outcome => Ok(outcome?),
        }
    }

    /// The account that has the handle, if this very request made it.
    async fn signed_up(&self, taken: User, wanted: SignUp, deadline: Deadline) -> Result<User, SignUpError> {
        let key = wanted.idempotency.ok_or(CreateUserError::HandleTaken)?;
        if self.ports.store.was_created_under(taken.id, &key, deadline).await?? {
            Ok(taken)
        } else {
            Err(CreateUserError::HandleTaken.into())
        }
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
        let token = self.issuer.issue(&credentials);
        Ok((credentials.user, token))
    }

    /// Ends a token.
    pub(crate) async fn log_out(self: &Arc<Self>, session: Session, deadline: Deadline) -> Result<(), StoreError> {
        let service = Arc::clone(self);
        see_through(deadline, |deadline| async move {
            service.ports.store.revoke(&session, deadline).await?;
            service.replica.standing.logged_out(RevokedToken::from(&session));
            service.replica.views.changed(session.user);
            Ok(())
        })
        .await
    }

    /// Sets a new password, which ends all tokens.
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        user: UserId,
        old: String,
        new: String,
        idempotency: Option<IdempotencyKey>,
        deadline: Deadline,
    ) -> Result<(), LogInError> {
        let credentials = self.ports.store.credentials(user, deadline).await?;
        let credentials = credentials.ok_or(AccountError::NoSuchUser)?;
        if !self.passwords.matches(old, credentials.password_hash).await? {
            return self.password_was_changed(user, idempotency, deadline).await;
        }
        let hash = self.passwords.hash(new).await?;
        let seen = credentials.credential_version;
        let service = Arc::clone(self);
        see_through(deadline, |deadline| async move {
            let store = &service.ports.store;
            let version = store.change_password(user, seen, hash, idempotency, deadline).await?;
            service.replica.standing.new_credentials(user, version);
            service.replica.views.changed(user);
            Ok(())
        })
        .await
    }

    /// A repeat of a change that was made comes with what is not the password any more: its key tells it from a wrong one.
    async fn password_was_changed(
        &self,
        user: UserId,
        idempotency: Option<IdempotencyKey>,
        deadline: Deadline,
    ) -> Result<(), LogInError> {
        // No account has credentials of version 0, so this changes nothing.
        let repeat = self
            .ports
            .store
            .change_password(user, 0, String::new(), idempotency, deadline)
            .await;
        match repeat {
            Ok(_) => Ok(()),
            Err(AccountError::CredentialsChanged) => Err(LogInError::Wrong),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes an account: it leaves every read at once, its edges go behind it.
    pub(crate) async fn delete_account(self: &Arc<Self>, user: UserId, deadline: Deadline) -> Result<(), AccountError> {
        let service = Arc::clone(self);
        see_through(deadline, |deadline| async move {
            service.ports.store.delete_user(user, deadline).await?;
            service.replica.standing.deleted(user);
            service.replica.views.changed(user);
            service.purge.notify_one();
            Ok(())
        })
        .await
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
                    self.delivery.audience_changed();
                    for user in touched {
                        self.replica.views.changed(user);
                    }
                    continue;
                }
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(%error, "edges of deleted accounts were not removed; a later sweep does it");
                }
            }
            self.replica.standing.forget_ended(self.clock.unix_ms() / 1_000);
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.purge.notified() => {}
                () = tokio::time::sleep(BETWEEN_SWEEPS) => {}
            }
        }
    }
}

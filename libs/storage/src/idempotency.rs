//! Writes that are done once however often they are sent.

use model::UserId;

/// Names a write, so that its repetition is not another one. Committed with the write and kept for 24 hours; a refused
/// write is not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// Whose write.
    pub account: UserId,
    /// Method and path, such as `POST /v1/tweets`.
    pub operation: String,
    /// What the client sent.
    pub key: String,
    /// A digest of the body. It may be keyed, so that a password cannot be guessed from it.
    pub body_digest: [u8; 32],
}

/// Names a sign-up, whose account is not there yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignUpKey {
    /// What the client sent.
    pub key: String,
    /// A digest of the body, keyed: there is a password in it.
    pub body_digest: [u8; 32],
}

impl SignUpKey {
    /// The key of the sign-up that made this account.
    pub fn of(&self, account: UserId) -> IdempotencyKey {
        IdempotencyKey {
            account,
            operation: "POST /v1/users".to_owned(),
            key: self.key.clone(),
            body_digest: self.body_digest,
        }
    }
}

/// The same key came with another body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this idempotency key was used with another body")]
pub struct IdempotencyConflict;

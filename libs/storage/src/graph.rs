//! The store of accounts and edges: follow-graph's own.

use async_trait::async_trait;
use model::{
    ActorVersion, AuthorTweets, ChunkPlan, DeliveryRules, DeliveryState, DisplayName, EdgeKind, Epoch, GraphChange,
    Handle, Position, ReaderView, RulesInForce, Session, Subject, User, UserId,
};

use crate::{
    ChunksRequest, Deadline, EdgeRecords, FollowerPage, FollowerPageRequest, IdempotencyConflict, IdempotencyKey,
    ImportCounts, SignUpKey, StoreError,
};

/// An account to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewUser {
    /// Its handle.
    pub handle: Handle,
    /// Its display name.
    pub display_name: DisplayName,
    /// A PHC string; imported accounts have none.
    pub password_hash: Option<String>,
    /// The client's key, kept with the new account.
    pub idempotency: Option<SignUpKey>,
}

/// Why an account was not made.
#[derive(Debug, thiserror::Error)]
pub enum CreateUserError {
    /// Somebody has it, or had it.
    #[error("the handle is taken")]
    HandleTaken,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What a password is checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The account.
    pub user: User,
    /// A PHC string; `None` for an imported account, which nobody can log in to.
    pub password_hash: Option<String>,
    /// Raised with each new password: tokens of an older one are revoked.
    pub credential_version: u32,
    /// The store's epoch: tokens tell it.
    pub epoch: Epoch,
}

/// Why a change of one's account was not made.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// There is no such account (any more).
    #[error("no such account")]
    NoSuchUser,
    /// The password was changed by somebody else in the meantime.
    #[error("the credentials have changed meanwhile")]
    CredentialsChanged,
    /// The key belongs to another request.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// An edge to be made or removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeWrite {
    /// What it means.
    pub kind: EdgeKind,
    /// Whose it is.
    pub actor: UserId,
    /// To whom it goes.
    pub target: UserId,
    /// Whether it is to stand (`PUT`) or not (`DELETE`).
    pub present: bool,
    /// How many edges of this kind the actor may have.
    pub limit: u64,
    /// The client's key.
    pub idempotency: Option<IdempotencyKey>,
}

/// What became of an [`EdgeWrite`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgeWritten {
    /// The actor's version, after this write or a later one.
    pub version: ActorVersion,
    /// Whether it was a change, which has a place among [`GraphStore::changes_after`]; `false` when it was as asked already.
    pub changed: bool,
}

/// Why an edge was not written.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The target does not exist.
    #[error("no such user")]
    NoSuchUser,
    /// The actor has as many as it may.
    #[error("the limit of {limit} is reached")]
    LimitReached {
        /// The limit.
        limit: u64,
    },
    /// A new follow across a block.
    #[error("a block stands between the two accounts")]
    Blocked,
    /// The key belongs to another request.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Which way to look along follow edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeDirection {
    /// Who follows the account.
    Followers,
    /// Whom the account follows.
    Following,
}

/// A token that was logged out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedToken {
    /// The token's own id.
    pub token_id: String,
    /// When it ends by itself, in seconds since 1970.
    pub expires_at_s: u64,
}

impl From<&Session> for RevokedToken {
    fn from(session: &Session) -> Self {
        Self {
            token_id: session.token_id.clone(),
            expires_at_s: session.expires_at_s,
        }
    }
}

/// Which tokens do not count any more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RevocationState {
    /// Tokens that were logged out and have not ended by themselves.
    pub tokens: Vec<RevokedToken>,
    /// Accounts whose credential version is above 1, with it.
    pub credential_versions: Vec<(UserId, u32)>,
    /// Deleted accounts.
    pub deleted: Vec<UserId>,
}

/// Accounts, edges, and how authors are delivered.
///
/// Every edge carries the actor version that it was made at, and so does its tombstone; every change takes a place in
/// commit order ([`GraphStore::changes_after`]).
#[async_trait]
pub trait GraphStore: EdgeRecords {
    /// Makes an account. Handles of deleted accounts stay taken.
    async fn create_user(&self, user: NewUser, deadline: Deadline) -> Result<User, CreateUserError>;

    /// Whether this account was made by this very request.
    async fn was_created_under(
        &self,
        user: UserId,
        key: &SignUpKey,
        deadline: Deadline,
    ) -> Result<Result<bool, IdempotencyConflict>, StoreError>;

    /// The accounts, in the order asked for; `None` for what is deleted or never was.
    async fn users(&self, ids: &[UserId], deadline: Deadline) -> Result<Vec<Option<User>>, StoreError>;

    /// The account with this handle, without regard to case.
    async fn user_by_handle(&self, handle: &Handle, deadline: Deadline) -> Result<Option<User>, StoreError>;

    /// What the password of this account is checked against.
    async fn credentials(&self, user: UserId, deadline: Deadline) -> Result<Option<Credentials>, StoreError>;

    /// Sets a new password and raises the credential version above `seen`, which must be the current one. A repeat under
    /// the same key changes nothing. Answers the current credential version.
    async fn change_password(
        &self,
        user: UserId,
        seen: u32,
        password_hash: String,
        idempotency: Option<IdempotencyKey>,
        deadline: Deadline,
    ) -> Result<u32, AccountError>;

    /// Logs a token out.
    async fn revoke(&self, session: &Session, deadline: Deadline) -> Result<(), StoreError>;

    /// All that [`crate::FollowGraph::is_revoked`] must know, for a process that starts. Drops what has ended.
    async fn revocations(&self, now_s: u64, deadline: Deadline) -> Result<RevocationState, StoreError>;

    /// Deletes an account. Its edges go later, by [`GraphStore::purge_deleted`].
    async fn delete_user(&self, user: UserId, deadline: Deadline) -> Result<(), AccountError>;

    /// Removes edges of deleted accounts, at most `limit`, and counts them off. Answers the accounts on the other side
    /// of each removed edge, once each; none when nothing is left to do.
    async fn purge_deleted(&self, limit: usize, deadline: Deadline) -> Result<Vec<UserId>, StoreError>;

    /// Makes or removes an edge.
    async fn write_edge(&self, write: EdgeWrite, deadline: Deadline) -> Result<EdgeWritten, EdgeError>;

    /// All that a read needs to know of its reader; `None` when there is no such account.
    async fn reader(&self, reader: UserId, deadline: Deadline) -> Result<Option<ReaderView>, StoreError>;

    /// Pages of followers or followees, in the order asked for, by id.
    async fn edges(
        &self,
        direction: EdgeDirection,
        requests: &[FollowerPageRequest],
        deadline: Deadline,
    ) -> Result<Vec<FollowerPage>, StoreError>;

    /// An author's followers as they are now, cut into chunks, numbered from 0. Fewer than asked for reach to the end.
    async fn chunks(&self, request: ChunksRequest, deadline: Deadline) -> Result<Vec<ChunkPlan>, StoreError>;

    /// Changes after a position, oldest first.
    async fn changes_after(
        &self,
        position: Position,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<GraphChange>, StoreError>;

    /// The delivery rules. Before an operator has set any, `configured` is in force. Version 0: nothing was ever changed.
    async fn delivery_rules(&self, configured: RulesInForce, deadline: Deadline) -> Result<DeliveryRules, StoreError>;

    /// Sets what an operator asks for. Answers the new version.
    async fn set_rules(&self, rules: RulesInForce, deadline: Deadline) -> Result<u64, StoreError>;

    /// Commits steps of the crossing, all or none, if the rules are still at the version that they were decided by. Answers
    /// the new version, or `None`, and nothing was done: somebody else has changed the rules meanwhile.
    async fn set_delivery(
        &self,
        states: Vec<(Subject, DeliveryState)>,
        expected: u64,
        deadline: Deadline,
    ) -> Result<Option<u64>, StoreError>;

    /// Authors with at least this many followers, with their number.
    async fn authors_with(&self, followers: u64, deadline: Deadline) -> Result<Vec<(UserId, u64)>, StoreError>;

    /// How many followers these authors have, in the order asked for; 0 for what is deleted or never was.
    async fn followers_counts(&self, authors: &[UserId], deadline: Deadline) -> Result<Vec<u64>, StoreError>;

    /// Takes over how many tweets authors have. A version that is not newer changes nothing.
    async fn set_tweet_counts(&self, counts: Vec<(UserId, AuthorTweets)>, deadline: Deadline)
    -> Result<(), StoreError>;

    /// Imports edges between accounts `u<number>`, making those that are missing, in one commit. Edges that stand are left
    /// as they are. What is deleted, or across a block, is refused and counted; so is, unless `attach`, what somebody has
    /// signed up for: that the handle looks like a number does not make it the file's account. No limit of follows binds
    /// an import.
    async fn import(
        &self,
        edges: Vec<(u64, u64)>,
        attach: bool,
        deadline: Deadline,
    ) -> Result<ImportCounts, StoreError>;

    /// Notes that an import of `source` has begun, so that one that never ended is known.
    async fn begin_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError>;

    /// Notes that it has ended.
    async fn end_import(&self, source: &str, deadline: Deadline) -> Result<(), StoreError>;

    /// Imports that began and never ended.
    async fn unfinished_imports(&self, deadline: Deadline) -> Result<Vec<String>, StoreError>;
}

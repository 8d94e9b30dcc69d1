//! The store of tweets: the source of truth that every timeline can be rebuilt from.

use async_trait::async_trait;
use model::{Author, AuthorRange, Event, TraceContext, Tweet, TweetId, UserId};

use crate::{Deadline, IdempotencyConflict, IdempotencyKey, StoreError};

/// A tweet to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTweet {
    /// Who posts it.
    pub author: Author,
    /// Its text, already validated.
    pub text: String,
    /// What it answers.
    pub in_reply_to: Option<TweetId>,
    /// The request's trace.
    pub trace: Option<TraceContext>,
    /// The client's key.
    pub idempotency: Option<IdempotencyKey>,
}

/// What became of a [`NewTweet`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// It was accepted now; the event is to be published.
    Accepted(Tweet, Event),
    /// The same request had been accepted before: this is the tweet, even if it has been deleted since.
    Replayed(Tweet),
}

impl Inserted {
    /// The tweet, whenever it was accepted.
    pub const fn tweet(&self) -> &Tweet {
        match self {
            Self::Accepted(tweet, _) | Self::Replayed(tweet) => tweet,
        }
    }
}

/// A tweet to be deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteTweet {
    /// The tweet.
    pub id: TweetId,
    /// Who asks.
    pub by: UserId,
    /// The request's trace.
    pub trace: Option<TraceContext>,
    /// The client's key.
    pub idempotency: Option<IdempotencyKey>,
}

/// Why a tweet was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum InsertTweetError {
    /// The key belongs to another request.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a tweet was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteTweetError {
    /// There is none, or somebody else has deleted theirs.
    #[error("no such tweet")]
    NotFound,
    /// Only its author may.
    #[error("only its author may delete a tweet")]
    NotAuthor,
    /// The key belongs to another request.
    #[error(transparent)]
    Idempotency(#[from] IdempotencyConflict),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A tweet's id and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourcedId {
    /// The tweet.
    pub id: TweetId,
    /// Its author.
    pub author: UserId,
}

/// What has become of an accepted tweet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TweetFate {
    /// Whose it is, or was.
    pub author: UserId,
    /// Whether it has been deleted.
    pub deleted: bool,
}

/// A page of ids, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IdPage {
    /// Newest first, none twice.
    pub entries: Vec<SourcedId>,
    /// Where the next page goes on: it holds what is below this id. `None` when nothing is below. **Every** tweet of the
    /// sources at or above it (and below the page's own start) is among the entries.
    pub next_below: Option<TweetId>,
}

/// Tweets, durably, and the outbox of what happened to them.
#[async_trait]
pub trait TweetStore: Send + Sync {
    /// Accepts a tweet: draws its id, commits it with its outbox event and its idempotency key, and answers after the
    /// commit. Concurrent calls share commits. Ids increase in commit order within one process.
    async fn insert(&self, tweet: NewTweet, deadline: Deadline) -> Result<Inserted, InsertTweetError>;

    /// The tweet that was accepted under this key, even if it has been deleted since; accepts nothing.
    async fn replayed(&self, key: &IdempotencyKey, deadline: Deadline) -> Result<Option<Tweet>, InsertTweetError>;

    /// Deletes a tweet: commits its tombstone and outbox event. `Ok(None)` when its author had deleted it before.
    async fn delete(&self, delete: DeleteTweet, deadline: Deadline) -> Result<Option<Event>, DeleteTweetError>;

    /// The tweets, in the order asked for; `None` for what is deleted or never was.
    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<Tweet>>, StoreError>;

    /// What has become of tweets, in the order asked for; `None` for what never was, and for what was deleted longer ago than
    /// [`TOMBSTONES_KEPT`](crate::TOMBSTONES_KEPT).
    async fn fates(&self, ids: &[TweetId], deadline: Deadline) -> Result<Vec<Option<TweetFate>>, StoreError>;

    /// All tweets above the first of these ids and below the second, deleted ones too, in the order of ids, at most `limit`.
    async fn ids(
        &self,
        above: TweetId,
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<Vec<TweetId>, StoreError>;

    /// The newest ids below `below`, over all sources together, at least `limit` of them where there are as many.
    /// Deleted tweets are left out. Sees every tweet committed before the call.
    async fn page(
        &self,
        sources: &[AuthorRange],
        below: TweetId,
        limit: usize,
        deadline: Deadline,
    ) -> Result<IdPage, StoreError>;
}

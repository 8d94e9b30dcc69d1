//! What tweet-ingest tells the others.

use crate::{Position, TweetId, UserId};

/// The format that this build writes. A reader sets aside what it does not understand.
pub const EVENT_FORMAT: u16 = 1;

/// The W3C trace context of the request that caused an event (`traceparent`), so that its trace goes on in whoever
/// handles it, also after a crash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext(pub String);

/// How many tweets an author has, as of a version of that author's tweets. Absolute, so that applying it twice, or late,
/// does no harm: the newest version wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuthorTweets {
    /// Posted and not deleted.
    pub count: u64,
    /// Counts up with each post and delete of this author.
    pub version: u64,
}

/// Something that happened to a tweet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// See [`EVENT_FORMAT`].
    pub format: u16,
    /// Its place in commit order.
    pub position: Position,
    /// The trace that it belongs to.
    pub trace: Option<TraceContext>,
    /// What happened.
    pub body: EventBody,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventBody {
    /// A tweet was accepted: it is durable and must reach every follower.
    TweetAccepted {
        /// The tweet.
        tweet: TweetId,
        /// Its author.
        author: UserId,
    },
    /// A tweet was deleted: its tombstone is durable.
    TweetDeleted {
        /// The tweet.
        tweet: TweetId,
        /// Its author.
        author: UserId,
    },
}

impl EventBody {
    /// The tweet that it is about.
    pub fn tweet(&self) -> TweetId {
        match self {
            Self::TweetAccepted { tweet, .. } | Self::TweetDeleted { tweet, .. } => *tweet,
        }
    }

    /// The tweet's author.
    pub fn author(&self) -> UserId {
        match self {
            Self::TweetAccepted { author, .. } | Self::TweetDeleted { author, .. } => *author,
        }
    }
}

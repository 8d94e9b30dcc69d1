//! Tweets.

use crate::{TweetId, UserId};

/// What is known of a tweet's author where the tweet is: neither can change once the account exists.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Author {
    /// The account.
    pub id: UserId,
    /// Its handle.
    pub handle: String,
    /// Its display name.
    pub display_name: String,
}

/// A tweet. When it was posted stands in its id ([`TweetId::unix_ms`]).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tweet {
    /// Its id.
    pub id: TweetId,
    /// Who posted it.
    pub author: Author,
    /// The text, as it was posted.
    pub text: String,
    /// The tweet that it answers.
    pub in_reply_to: Option<TweetId>,
}

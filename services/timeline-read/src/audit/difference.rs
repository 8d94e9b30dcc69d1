//! What can be wrong with a stored timeline.

use model::{TweetId, UserId};

/// An entry that is not there and should be, or the other way round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Difference {
    pub(crate) tweet: TweetId,
    /// Where it is known.
    pub(crate) author: Option<UserId>,
    pub(crate) kind: Kind,
}

/// Which way it differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    /// A tweet that must be an entry is none.
    Missing,
    /// An entry lies below the mark of its timeline.
    BelowMark,
    /// An entry comes twice, or after an older one.
    OutOfOrder,
    /// An entry is of no tweet.
    NoSuchTweet,
    /// An entry is of an author whom the reader never followed.
    NeverFollowed,
}

impl Kind {
    /// As the log names it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::BelowMark => "below-mark",
            Self::OutOfOrder => "out-of-order",
            Self::NoSuchTweet => "no-such-tweet",
            Self::NeverFollowed => "never-followed",
        }
    }

    /// Why it is a difference.
    pub(crate) const fn explanation(self) -> &'static str {
        match self {
            Self::Missing => {
                "it lies above the timeline's mark, its delivery is done, no range of ids has readers pull it, and its author \
                 has been followed since before the version whose follows the timeline holds; yet it is no entry"
            }
            Self::BelowMark => "it lies below the timeline's mark, where nothing is kept; yet it is an entry",
            Self::OutOfOrder => "entries are kept in the order of their ids, each once; yet it comes twice or too late",
            Self::NoSuchTweet => "no tweet with this id was ever accepted; yet it is an entry",
            Self::NeverFollowed => "the reader does not follow its author and never did; yet it is an entry",
        }
    }
}

impl Difference {
    /// Whether an entry is not there, and not one too many.
    pub(crate) fn is_missing(&self) -> bool {
        self.kind == Kind::Missing
    }
}

//! Newtypes for every number that names something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::snowflake::EPOCH_MS;

/// The text is not an id: ids are decimal numbers from 1 to 2^63 - 1, without sign or leading zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a decimal number from 1 to 9223372036854775807")]
pub struct ParseIdError;

/// The largest id: stores keep ids in signed 64-bit columns.
const MAX_ID: u64 = i64::MAX as u64;

fn parse_id(text: &str) -> Result<u64, ParseIdError> {
    if text.is_empty() || text.starts_with('0') || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ParseIdError);
    }
    text.parse().ok().filter(|id| *id <= MAX_ID).ok_or(ParseIdError)
}

macro_rules! public_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u64);

        impl $name {
            /// Wraps a number that a store or a generator gave.
            pub const fn new(id: u64) -> Self {
                Self(id)
            }

            /// The number itself.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                parse_id(text).map(Self)
            }
        }

        /// Ids are decimal strings in JSON: 64 bits do not fit a JavaScript number.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

public_id! {
    /// An account. Stores number accounts densely from 1, so that arrays can be indexed by it.
    UserId
}

impl UserId {
    /// Above every account.
    pub const MAX: Self = Self(MAX_ID);
}

public_id! {
    /// A tweet: a Snowflake id, whose order is the order of time to within the machines' clock skew.
    TweetId
}

impl TweetId {
    /// Below every tweet.
    pub const MIN: Self = Self(0);
    /// Above every tweet.
    pub const MAX: Self = Self(MAX_ID);

    /// The smallest id that can be drawn at `unix_ms` or later.
    pub const fn first_at(unix_ms: u64) -> Self {
        Self(unix_ms.saturating_sub(EPOCH_MS) << 22)
    }

    /// When the id was drawn, in milliseconds since 1970.
    pub const fn unix_ms(self) -> u64 {
        (self.0 >> 22) + EPOCH_MS
    }

    /// The id right above this one; of the largest, itself.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(if self.0 < MAX_ID { self.0 + 1 } else { MAX_ID })
    }
}

macro_rules! counter {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

counter! {
    /// The last change that an account made itself. It counts up by one with each follow, mute, block or their undoing,
    /// and is what an edge (or its tombstone) of that account is ordered by.
    ActorVersion
}
counter! {
    /// A place in commit order.
    Position
}
counter! {
    /// The life of a timeline node: changes at each restart. What an older generation wrote counts as absent.
    Generation
}
counter! {
    /// The life of a store: raised after a restore from a backup. What carries another epoch counts as absent.
    Epoch
}
counter! {
    /// Names one build of a stored timeline: a rebuild is installed only over the build that it started from.
    BuildId
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_plain_decimals() {
        assert_eq!("42".parse(), Ok(UserId::new(42)));
        assert_eq!("9223372036854775807".parse(), Ok(TweetId::MAX));
        for bad in [
            "",
            "0",
            "042",
            "+1",
            "-1",
            "1.0",
            " 1",
            "9223372036854775808",
            "99999999999999999999",
            "x",
        ] {
            assert_eq!(bad.parse::<UserId>(), Err(ParseIdError), "{bad:?}");
        }
    }

    #[test]
    fn a_tweet_id_tells_its_time() {
        let now = EPOCH_MS + 123_456;
        assert_eq!(TweetId::first_at(now).unix_ms(), now);
        assert_eq!(TweetId::new(TweetId::first_at(now).get() + 4_194_303).unix_ms(), now);
    }
}

//! Ids as columns: PostgreSQL's integers are signed, ids are not and stay below 2^63.

use std::time::Duration;

use model::{TweetId, UserId};

/// A number below 2^63 as a column.
pub(crate) fn column(number: u64) -> i64 {
    i64::try_from(number).expect("ids, versions and times stay below 2^63")
}

/// A column that is never negative.
pub(crate) fn number(column: i64) -> u64 {
    u64::try_from(column).expect("only numbers that were not negative are stored")
}

/// A time in milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A number of rows as a column. No more are ever asked for than fit.
pub(crate) fn limit(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A column with a user id.
pub(crate) fn user(column: i64) -> UserId {
    UserId::new(number(column))
}

/// A column with a tweet id.
pub(crate) fn tweet(column: i64) -> TweetId {
    TweetId::new(number(column))
}

//! The books as a whole: what went in is checked against what came out.
//!
//! All tweets up to an id are done once [`Settled`](crate::Settled) lies above it. Their range is then closed, once, in the
//! order of ids: what was accepted is counted from the tweets themselves, what came of it from the delivery records, and both
//! are added to totals that outlive the records.

use std::ops::AddAssign;

use model::TweetId;

/// What the delivery records of a range of ids come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Tweets that are finished.
    pub done: u64,
    /// Of these: the followers that were expected.
    pub expected: u64,
    /// Timelines that were written.
    pub written: u64,
    /// Followers without a timeline, or no longer following.
    pub skipped: u64,
    /// Those of `skipped` that follow no longer.
    pub unfollowed: u64,
    /// By how much what was written and skipped differs from what was expected, tweet by tweet: one that has too many does
    /// not make up for one that has too few.
    pub difference: u64,
}

/// What the books come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BookTotals {
    /// Tweets in the tweet store.
    pub accepted: u64,
    /// Tweets that were set aside when their range was closed.
    pub aside: u64,
    /// Tweets that are neither done nor set aside, and records of no tweet: 0 where nothing is wrong.
    pub difference: u64,
    /// What came of the tweets.
    pub tally: Tally,
}

impl AddAssign for BookTotals {
    fn add_assign(&mut self, other: Self) {
        self.accepted += other.accepted;
        self.aside += other.aside;
        self.difference += other.difference;
        self.tally.done += other.tally.done;
        self.tally.expected += other.tally.expected;
        self.tally.written += other.tally.written;
        self.tally.skipped += other.tally.skipped;
        self.tally.unfollowed += other.tally.unfollowed;
        self.tally.difference += other.tally.difference;
    }
}

/// The books, as far as they are closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Books {
    /// Every tweet up to and including this id has been counted, or is older than the books.
    pub closed: TweetId,
    /// When a range was closed last, in milliseconds since 1970.
    pub closed_at_ms: u64,
    /// What they come to.
    pub totals: BookTotals,
}

/// A range of ids that is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClosedRange {
    /// It begins right above this id …
    pub above: TweetId,
    /// … and ends with this one.
    pub up_to: TweetId,
    /// What it comes to.
    pub totals: BookTotals,
}

//! Tweets to be written, and what became of each: pure.

use model::{DeliveryRecord, Mode, TweetId, UserId};
use storage::PushBatch;

/// A tweet that is to be delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) tweet: TweetId,
    pub(crate) author: UserId,
    pub(crate) mode: Mode,
}

/// Tweets together with all followers of their authors.
#[derive(Debug, Default, Clone)]
pub(crate) struct Batch {
    tweets: Vec<(Pending, u64)>,
    pairs: Vec<(UserId, TweetId)>,
}

impl Batch {
    /// Adds a tweet and those whom it goes to.
    pub(crate) fn add(&mut self, pending: Pending, followers: &[UserId]) {
        self.pairs
            .extend(followers.iter().map(|follower| (*follower, pending.tweet)));
        self.tweets.push((pending, followers.len() as u64));
    }

    /// How many pairs of follower and tweet it holds.
    pub(crate) fn pairs(&self) -> usize {
        self.pairs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.tweets.is_empty()
    }

    /// Follower -> tweets, to be written.
    pub(crate) fn group(&mut self) -> PushBatch {
        PushBatch::group(&mut self.pairs)
    }

    /// The books of each tweet, from whether each follower of the written batch has a timeline.
    pub(crate) fn records(self, written: &PushBatch, exists: &[bool], now_ms: u64) -> Vec<DeliveryRecord> {
        let mut counts = Counts::new(self.tweets.iter().map(|(pending, _)| pending.tweet));
        for ((_, tweets), exists) in written.iter().zip(exists) {
            for tweet in tweets {
                counts.add(*tweet, *exists);
            }
        }
        let record = |(pending, expected): (Pending, u64)| {
            let (written, skipped) = counts.of(pending.tweet);
            record(pending, expected, written, skipped, now_ms)
        };
        self.tweets.into_iter().map(record).collect()
    }
}

/// The books of a tweet that is done. What was skipped is counted too, not taken for what is left of the expected: whoever
/// got lost on the way would count as skipped.
pub(crate) fn record(pending: Pending, expected: u64, written: u64, skipped: u64, now_ms: u64) -> DeliveryRecord {
    DeliveryRecord {
        tweet: pending.tweet,
        author: pending.author,
        mode: pending.mode,
        expected,
        written,
        skipped,
        unfollowed: 0,
        accepted_at_ms: pending.tweet.unix_ms(),
        finished_at_ms: Some(now_ms),
    }
}

/// Followers with and without a timeline, by tweet.
struct Counts(Vec<(TweetId, (u64, u64))>);

impl Counts {
    fn new(tweets: impl Iterator<Item = TweetId>) -> Self {
        let mut counts: Vec<_> = tweets.map(|tweet| (tweet, (0, 0))).collect();
        counts.sort_unstable();
        Self(counts)
    }

    fn at(&self, tweet: TweetId) -> Result<usize, usize> {
        self.0.binary_search_by_key(&tweet, |(id, _)| *id)
    }

    fn add(&mut self, tweet: TweetId, exists: bool) {
        if let Ok(at) = self.at(tweet) {
            let (with, without) = &mut self.0[at].1;
            *(if exists { with } else { without }) += 1;
        }
    }

    fn of(&self, tweet: TweetId) -> (u64, u64) {
        self.at(tweet).map_or((0, 0), |at| self.0[at].1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_follower_gets_every_tweet_and_the_books_add_up(
            audiences in proptest::collection::vec(proptest::collection::btree_set(1_u64..40, 0..20), 1..20),
            active in proptest::collection::btree_set(1_u64..40, 0..40),
        ) {
            let mut batch = Batch::default();
            let mut expected: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
            for (at, audience) in audiences.iter().enumerate() {
                let tweet = TweetId::new(at as u64 + 100);
                let followers: Vec<_> = audience.iter().copied().map(UserId::new).collect();
                batch.add(Pending { tweet, author: UserId::new(99), mode: Mode::Push }, &followers);
                for follower in audience {
                    expected.entry(*follower).or_default().insert(tweet.get());
                }
            }
            let grouped = batch.group();
            let got: BTreeMap<u64, BTreeSet<u64>> = grouped
                .iter()
                .map(|(follower, ids)| (follower.get(), ids.iter().map(|id| id.get()).collect()))
                .collect();
            prop_assert_eq!(got, expected);
            let exists: Vec<bool> = grouped.iter().map(|(follower, _)| active.contains(&follower.get())).collect();
            let records = batch.clone().records(&grouped, &exists, 1);
            for (record, audience) in records.iter().zip(&audiences) {
                prop_assert_eq!(record.expected, audience.len() as u64);
                prop_assert_eq!(record.written, audience.intersection(&active).count() as u64);
                prop_assert_eq!(record.difference(), 0);
            }

            // Of the last follower nothing is known.
            if let Some(((_, lost), exists)) = grouped.iter().last().zip(exists.split_last()) {
                let records = batch.records(&grouped, exists.1, 1);
                let difference: u64 = records.iter().map(DeliveryRecord::difference).sum();
                prop_assert_eq!(difference, lost.len() as u64);
            }
        }
    }
}

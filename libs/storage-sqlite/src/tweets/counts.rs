//! How many tweets authors have, as the log tells it.

use std::time::Duration;

use ahash::AHashMap;
use async_trait::async_trait;
use model::{AuthorTweets, UserId};
use storage::{Deadline, Receipt, StoreError, TweetCounts};

use super::SqliteTweets;
use super::log::{Group, Handed};

/// Events whose counts were told and not taken, by author.
#[derive(Default)]
pub(super) struct Outstanding(AHashMap<UserId, Vec<(u64, Receipt)>>);

impl Outstanding {
    fn add(&mut self, handed: &Handed) {
        let of_author = self.0.entry(handed.logged.event.body.author()).or_default();
        of_author.push((handed.logged.tweets.version, handed.receipt));
    }

    /// The events that these counts stand for.
    fn remove(&mut self, counts: &[(UserId, AuthorTweets)]) -> Vec<Receipt> {
        let mut removed = Vec::new();
        for (author, tweets) in counts {
            let Some(of_author) = self.0.get_mut(author) else {
                continue;
            };
            let taken = of_author.extract_if(.., |(version, _)| *version <= tweets.version);
            removed.extend(taken.map(|(_, receipt)| receipt));
            if of_author.is_empty() {
                self.0.remove(author);
            }
        }
        removed
    }
}

#[async_trait]
impl TweetCounts for SqliteTweets {
    async fn changed(&self, max: usize, wait: Duration) -> Result<Vec<(UserId, AuthorTweets)>, StoreError> {
        let handed = self.wait_for(Group::TweetCounts, max, wait).await?;
        let mut outstanding = self.counts.lock();
        let mut newest: AHashMap<UserId, AuthorTweets> = AHashMap::new();
        for handed in &handed {
            outstanding.add(handed);
            let tweets = handed.logged.tweets;
            let known = newest.entry(handed.logged.event.body.author()).or_insert(tweets);
            if tweets.version > known.version {
                *known = tweets;
            }
        }
        Ok(newest.into_iter().collect())
    }

    async fn taken(&self, counts: &[(UserId, AuthorTweets)], _deadline: Deadline) -> Result<(), StoreError> {
        let receipts = self.counts.lock().remove(counts);
        self.acknowledged(Group::TweetCounts, &receipts);
        Ok(())
    }
}

//! How many tweets authors have, as the log tells it.

use std::pin::pin;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use async_trait::async_trait;
use model::{AuthorTweets, UserId};
use storage::{Deadline, Receipt, StoreError, TweetCounts};

use super::SqliteTweets;
use super::log::{Group, Handed};

/// Counts that were taken off the log, until whoever asks for them has taken them over.
#[derive(Default)]
pub(super) struct Changes {
    /// The newest of each author, if nobody has been told it.
    untold: AHashMap<UserId, AuthorTweets>,
    /// The events that they stand for, told or not: each with the version that it made.
    outstanding: AHashMap<UserId, Vec<(u64, Receipt)>>,
}

impl Changes {
    fn add(&mut self, handed: &[Handed]) {
        for Handed { receipt, logged } in handed {
            let (author, tweets) = (logged.event.body.author(), logged.tweets);
            let newest = self.untold.entry(author).or_insert(tweets);
            if tweets.version > newest.version {
                *newest = tweets;
            }
            let of_author = self.outstanding.entry(author).or_default();
            of_author.push((tweets.version, *receipt));
        }
    }

    fn tell(&mut self, max: usize) -> Vec<(UserId, AuthorTweets)> {
        let authors: Vec<UserId> = self.untold.keys().take(max).copied().collect();
        let told = authors
            .into_iter()
            .filter_map(|author| self.untold.remove_entry(&author));
        told.collect()
    }

    /// Answers the events that these counts stand for.
    fn taken(&mut self, counts: &[(UserId, AuthorTweets)]) -> Vec<Receipt> {
        let mut done = Vec::new();
        for (author, tweets) in counts {
            let Some(of_author) = self.outstanding.get_mut(author) else {
                continue;
            };
            let up_to_it = of_author.extract_if(.., |(version, _)| *version <= tweets.version);
            done.extend(up_to_it.map(|(_, receipt)| receipt));
            if of_author.is_empty() {
                self.outstanding.remove(author);
            }
        }
        done
    }
}

impl SqliteTweets {
    /// Takes off the log until `max` authors are to be told, or it has no more. An author may have many events, so what is
    /// taken at a time says nothing about how many authors that will be.
    async fn gather(&self, max: usize) -> Result<(), StoreError> {
        while self.changes.lock().untold.len() < max {
            let handed = self.take(Group::TweetCounts, max).await?;
            if handed.is_empty() {
                break;
            }
            self.changes.lock().add(&handed);
        }
        Ok(())
    }
}

#[async_trait]
impl TweetCounts for SqliteTweets {
    async fn changed(&self, max: usize, wait: Duration) -> Result<Vec<(UserId, AuthorTweets)>, StoreError> {
        let until = Instant::now() + wait;
        loop {
            let mut arrival = pin!(self.log.arrival());
            arrival.as_mut().enable();
            self.gather(max).await?;
            let told = self.changes.lock().tell(max);
            if !told.is_empty() || tokio::time::timeout_at(until.into(), arrival).await.is_err() {
                return Ok(told);
            }
        }
    }

    async fn taken(&self, counts: &[(UserId, AuthorTweets)], _deadline: Deadline) -> Result<(), StoreError> {
        let done = self.changes.lock().taken(counts);
        self.acknowledged(Group::TweetCounts, &done);
        Ok(())
    }
}

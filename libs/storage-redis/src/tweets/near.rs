//! Rendered tweets in the memory of the process, before those that all processes share.
//!
//! Popular tweets are asked for again and again, and Redis would send the same bytes to the same process each time. What this
//! cache has is answered from memory, once it is certain that none of it was removed: each look begins by asking Redis which
//! removal is the newest ([`super::removals`]), and takes what was removed since the last look out of memory. So one small
//! answer stands for the tweets of a page.
//!
//! Why no removed tweet is shown after its removal was acknowledged: a removal takes the tweet from Redis first, then goes
//! into the list. A look that begins later finds it in the list, and takes the tweet out of memory before it reads there.
//! What a look fetches from Redis, and puts into memory, may have been removed since it was fetched. But then it is taken
//! out of memory after the look has read there: if that was before the put, [`MemoryTweets`] refuses the put. Where removals
//! may have been missed, since the list is another or too much was added, all of memory is forgotten, and such puts are
//! refused too. While somebody may still add to the list of an older generation ([`crate::node`]), or the list does not
//! answer soon, memory is not used.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use model::TweetId;
use storage::{CacheEpoch, CachedTweets, Deadline, RenderedTweet, StoreError, TweetCache};
use storage_memory::MemoryTweets;
use tokio::sync::Mutex;

use super::RedisTweets;
use super::removals::{Place, REMEMBERED, Removal};

/// Removals that are asked for beyond those that are known of: some may be added meanwhile.
const MARGIN: u64 = 32;

/// How long a look waits to know what was removed: a connection may hang.
const PATIENCE: Duration = Duration::from_millis(100);

/// After so long all of memory is forgotten. Whoever dies between the commit of a deletion and telling it leaves the tweet here
/// for as long.
const KEPT: Duration = Duration::from_mins(1);

/// A cache in memory before the shared one.
pub struct NearTweets {
    memory: Arc<MemoryTweets>,
    shared: Arc<RedisTweets>,
    /// Looks that have begun.
    begun: AtomicU64,
    caught_up: Mutex<CaughtUp>,
}

struct CaughtUp {
    /// What was removed up to here is not in memory …
    place: Place,
    /// … which is all that was removed before this look began, if that is known.
    look: u64,
    is_known: bool,
    emptied: Instant,
}

impl NearTweets {
    /// Takes about `capacity_bytes` of memory at most.
    pub fn new(shared: Arc<RedisTweets>, capacity_bytes: u64) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryTweets::new(capacity_bytes),
            shared,
            begun: AtomicU64::new(0),
            caught_up: Mutex::new(CaughtUp {
                place: Place::default(),
                look: 0,
                is_known: false,
                emptied: Instant::now(),
            }),
        })
    }

    /// Takes out of memory what was removed before this look began; `false` where nobody can say what was. One look asks at a
    /// time; those that begin meanwhile wait, and the next one asks for all of them.
    async fn catch_up(&self, deadline: Deadline) -> bool {
        let look = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
        let mut caught_up = self.caught_up.lock().await;
        if caught_up.look >= look {
            return caught_up.is_known;
        }
        let looks = self.begun.load(Ordering::SeqCst);
        if caught_up.emptied.elapsed() > KEPT {
            self.memory.clear();
            caught_up.emptied = Instant::now();
        }
        let reached = self.forget_removed(caught_up.place, deadline).await;
        let reached = reached.inspect_err(|error| tracing::debug!(%error, "what was removed is not known"));
        (caught_up.look, caught_up.is_known) = (looks, false);
        if let Ok(Some(place)) = reached {
            (caught_up.place, caught_up.is_known) = (place, true);
        }
        caught_up.is_known
    }

    /// Takes out of memory what was removed after `known`; answers up to where that is.
    async fn forget_removed(&self, known: Place, deadline: Deadline) -> Result<Option<Place>, StoreError> {
        let Some(newest) = self.shared.removals.newest(deadline).await? else {
            return Ok(None);
        };
        if newest == known {
            return Ok(Some(known));
        }
        let missed = newest.number.checked_sub(known.number);
        if let Some(missed) = missed.filter(|missed| known.life == newest.life && *missed <= REMEMBERED) {
            let last = self.shared.removals.last(missed + MARGIN, deadline).await?;
            if let Some(latest) = follows(&last, known) {
                let tweets: Vec<TweetId> = last.iter().map(|removal| removal.tweet).collect();
                self.memory.remove(&tweets, deadline).await?;
                return Ok(Some(latest));
            }
        }
        self.memory.clear();
        Ok(Some(newest))
    }

    /// Whether memory may be used for a look that begins now. Where that is not known soon, the shared cache answers alone.
    async fn may_use_memory(&self, deadline: Deadline) -> bool {
        let soon = deadline.min(Deadline::after(PATIENCE));
        let caught_up = tokio::time::timeout_at(soon.instant().into(), Box::pin(self.catch_up(soon)));
        caught_up.await.unwrap_or(false)
    }
}

/// How far these removals lead, newest first, if they leave nothing out from `known` on.
fn follows(last: &[Removal], known: Place) -> Option<Place> {
    let (latest, oldest) = (last.first()?.place, last.last()?.place);
    let is_one_life = last.iter().all(|removal| removal.place.life == known.life);
    (is_one_life && oldest.number <= known.number + 1).then_some(latest)
}

/// In bytes of its own: as it came, it would keep all of the answer that it came with in memory.
fn alone(tweet: &RenderedTweet) -> Arc<RenderedTweet> {
    Arc::new(RenderedTweet {
        json: Bytes::copy_from_slice(&tweet.json),
        ..*tweet
    })
}

#[async_trait]
impl TweetCache for NearTweets {
    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<CachedTweets, StoreError> {
        if ids.is_empty() || !self.may_use_memory(deadline).await {
            return self.shared.get(ids, deadline).await;
        }
        let CachedTweets { mut tweets, epoch } = self.memory.get(ids, deadline).await?;
        let missing: Vec<usize> = (0..ids.len()).filter(|at| tweets[*at].is_none()).collect();
        let missing_ids: Vec<TweetId> = missing.iter().map(|at| ids[*at]).collect();
        let shared = self.shared.get(&missing_ids, deadline).await?;
        let found = shared.tweets.iter().flatten().map(|tweet| alone(tweet)).collect();
        self.memory.put(found, epoch, deadline).await?;
        for (at, tweet) in missing.into_iter().zip(shared.tweets) {
            tweets[at] = tweet;
        }
        Ok(CachedTweets {
            tweets,
            epoch: shared.epoch,
        })
    }

    async fn put(
        &self,
        tweets: Vec<Arc<RenderedTweet>>,
        epoch: CacheEpoch,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        self.shared.put(tweets, epoch, deadline).await
    }

    async fn remove(&self, ids: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        self.shared.remove(ids, deadline).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn removals(life: u64, numbers: std::ops::RangeInclusive<u64>) -> Vec<Removal> {
        let removal = |number| Removal {
            place: Place { life, number },
            tweet: TweetId::new(number),
        };
        numbers.rev().map(removal).collect()
    }

    #[test]
    fn removals_follow_where_none_is_left_out() {
        let known = Place { life: 7, number: 5 };
        let leads_to = |last: &[Removal]| follows(last, known).map(|place| place.number);
        assert_eq!(leads_to(&removals(7, 6..=9)), Some(9));
        assert_eq!(leads_to(&removals(7, 0..=9)), Some(9));
        assert_eq!(leads_to(&removals(7, 7..=9)), None);
        assert_eq!(leads_to(&removals(8, 0..=9)), None);
        assert_eq!(leads_to(&[]), None);
    }
}

//! Rendered tweets in memory.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use model::TweetId;
use parking_lot::RwLock;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use storage::{CacheEpoch, CachedTweets, Deadline, RenderedTweet, StoreError, TweetCache};

/// What an entry takes beside its JSON: the tweet, two reference counts, its place in the cache and the allocator's
/// rounding.
const ENTRY_OVERHEAD_BYTES: u64 = 256;

/// The weight of a common tweet, from which the cache estimates how many it will hold.
const COMMON_ENTRY_BYTES: u64 = 512;

/// How many removals are remembered one by one. A put from before the oldest of them is refused altogether.
const REMEMBERED: usize = 4_096;

#[derive(Clone)]
struct ByBytes;

impl Weighter<TweetId, Arc<RenderedTweet>> for ByBytes {
    fn weight(&self, _id: &TweetId, tweet: &Arc<RenderedTweet>) -> u64 {
        ENTRY_OVERHEAD_BYTES + tweet.json.len() as u64
    }
}

/// A bounded cache of rendered tweets.
///
/// What keeps a deleted tweet from coming back: a removal is counted and remembered before the entry goes, under a lock
/// that excludes every put. So a put either ends before the removal, which then takes its entry away, or it sees that the
/// tweet was removed after the put's tweets were read, and leaves it out.
pub struct MemoryTweets {
    cache: Cache<TweetId, Arc<RenderedTweet>, ByBytes, ahash::RandomState>,
    removals: RwLock<Removals>,
    /// [`Removals::count`], to be read without the lock.
    epoch: AtomicU64,
}

impl MemoryTweets {
    /// An empty cache that takes about `capacity_bytes` at most.
    pub fn new(capacity_bytes: u64) -> Arc<Self> {
        let estimated_items = usize::try_from(capacity_bytes / COMMON_ENTRY_BYTES).unwrap_or(usize::MAX);
        let hasher = ahash::RandomState::new();
        let lifecycle = quick_cache::sync::DefaultLifecycle::default();
        Arc::new(Self {
            cache: Cache::with(estimated_items.max(1), capacity_bytes, ByBytes, hasher, lifecycle),
            removals: RwLock::default(),
            epoch: AtomicU64::new(0),
        })
    }

    /// Removes everything. No put of what was read before brings anything back.
    pub fn clear(&self) {
        let mut removals = self.removals.write();
        removals.record_all(&self.epoch);
        self.cache.clear();
    }
}

#[async_trait]
impl TweetCache for MemoryTweets {
    async fn get(&self, ids: &[TweetId], _deadline: Deadline) -> Result<CachedTweets, StoreError> {
        let epoch = CacheEpoch(self.epoch.load(Ordering::Acquire));
        let tweets = ids.iter().map(|id| self.cache.get(id)).collect();
        Ok(CachedTweets { tweets, epoch })
    }

    async fn put(
        &self,
        tweets: Vec<Arc<RenderedTweet>>,
        epoch: CacheEpoch,
        _deadline: Deadline,
    ) -> Result<(), StoreError> {
        let removals = self.removals.read();
        let Some(since) = removals.since(epoch) else {
            return Ok(());
        };
        for tweet in tweets {
            if !since.clone().any(|removed| removed == tweet.id) {
                self.cache.insert(tweet.id, tweet);
            }
        }
        Ok(())
    }

    async fn remove(&self, ids: &[TweetId], _deadline: Deadline) -> Result<(), StoreError> {
        self.removals.write().record(ids, &self.epoch);
        for id in ids {
            self.cache.remove(id);
        }
        Ok(())
    }
}

/// How many tweets were removed, and which were the last of them.
#[derive(Default)]
struct Removals {
    count: u64,
    last: VecDeque<TweetId>,
}

impl Removals {
    fn record(&mut self, ids: &[TweetId], epoch: &AtomicU64) {
        for id in ids {
            if self.last.len() == REMEMBERED {
                self.last.pop_front();
            }
            self.last.push_back(*id);
        }
        self.count += ids.len() as u64;
        epoch.store(self.count, Ordering::Release);
    }

    /// As if more had been removed than is remembered.
    fn record_all(&mut self, epoch: &AtomicU64) {
        self.last.clear();
        self.count += 1;
        epoch.store(self.count, Ordering::Release);
    }

    /// What was removed since `epoch`; `None` when that is not known any more.
    fn since(&self, epoch: CacheEpoch) -> Option<impl Iterator<Item = TweetId> + Clone + '_> {
        let removed = usize::try_from(self.count.checked_sub(epoch.0)?).ok()?;
        let start = self.last.len().checked_sub(removed)?;
        Some(self.last.range(start..).copied())
    }
}

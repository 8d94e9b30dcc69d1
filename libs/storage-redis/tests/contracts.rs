//! The contracts of home timelines and of the tweet cache, on Redis: each test under a generation of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use model::{Clock, Generation, SystemClock, TweetId};
use storage::{CacheEpoch, CachedTweets, Deadline, Generations, RenderedTweet, StoreError, TimelineStore, TweetCache};
use storage_redis::{
    HOLDS, NearTweets, RedisClient, RedisNode, RedisOptions, RedisTimelineOptions, RedisTimelines, RedisTweets,
};
use storage_testsuite::{CacheBackend, TimelineBackend};

struct Always(Generation);

#[async_trait]
impl Generations for Always {
    async fn current(&self, _: &str, _: &str, _: Deadline) -> Result<Generation, StoreError> {
        Ok(self.0)
    }

    async fn highest(&self, _: &str, number: u64, _: Deadline) -> Result<u64, StoreError> {
        Ok(number)
    }
}

struct Redis(RedisClient);

#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its server is no configuration of the system"
)]
async fn redis() -> Option<Redis> {
    let Ok(url) = std::env::var("ROOKERY_TEST_REDIS_URL") else {
        eprintln!("SKIPPED: ROOKERY_TEST_REDIS_URL is not set; `cargo xtask test` and `cargo xtask servers` set it");
        return None;
    };
    Some(Redis(RedisClient::connect(&RedisOptions::new(url)).await.unwrap()))
}

impl Redis {
    async fn node(&self) -> Arc<RedisNode> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let process = u64::from(std::process::id() & 0xfff);
        let generation = Generation((SystemClock.unix_ms() << 20) | (process << 8) | number);
        let always = Arc::new(Always(generation));
        RedisNode::connect(&self.0, 2, always).await.unwrap()
    }
}

impl TimelineBackend for Redis {
    async fn fresh(&self, window: usize) -> Arc<dyn TimelineStore> {
        let idle = Duration::from_mins(5);
        RedisTimelines::new(self.node().await, RedisTimelineOptions { window, idle })
    }
}

/// Timelines whose newest part is tiny, so that few ids reach the blocks below it.
struct TinyParts(Redis);

async fn tiny_parts() -> Option<TinyParts> {
    redis().await.map(TinyParts)
}

impl TimelineBackend for TinyParts {
    async fn fresh(&self, window: usize) -> Arc<dyn TimelineStore> {
        let idle = Duration::from_mins(5);
        let options = RedisTimelineOptions { window, idle };
        RedisTimelines::with_newest_part(self.0.node().await, options, 2)
    }
}

impl CacheBackend for Redis {
    async fn fresh(&self, _capacity_bytes: u64) -> Arc<dyn TweetCache> {
        let node = self.node().await;
        everybodys().await;
        RedisTweets::new(node)
    }
}

/// Nothing is cached while somebody may go by an older generation.
async fn everybodys() {
    tokio::time::sleep(HOLDS + Duration::from_millis(50)).await;
}

/// A process with a cache of its own before Redis, and tweets that another process removes.
struct Near(Redis);

async fn near() -> Option<Near> {
    redis().await.map(Near)
}

struct TwoProcesses {
    here: Arc<NearTweets>,
    there: Arc<RedisTweets>,
}

#[async_trait]
impl TweetCache for TwoProcesses {
    async fn get(&self, ids: &[TweetId], deadline: Deadline) -> Result<CachedTweets, StoreError> {
        self.here.get(ids, deadline).await
    }

    async fn put(
        &self,
        tweets: Vec<Arc<RenderedTweet>>,
        epoch: CacheEpoch,
        deadline: Deadline,
    ) -> Result<(), StoreError> {
        self.here.put(tweets, epoch, deadline).await
    }

    async fn remove(&self, ids: &[TweetId], deadline: Deadline) -> Result<(), StoreError> {
        self.there.remove(ids, deadline).await
    }
}

impl CacheBackend for Near {
    async fn fresh(&self, capacity_bytes: u64) -> Arc<dyn TweetCache> {
        let node = self.0.node().await;
        everybodys().await;
        Arc::new(TwoProcesses {
            here: NearTweets::new(RedisTweets::new(Arc::clone(&node)), capacity_bytes),
            there: RedisTweets::new(node),
        })
    }
}

mod timelines {
    use super::redis;

    storage_testsuite::timeline_store_contract!(redis);
}

mod timelines_of_tiny_parts {
    use super::tiny_parts;

    storage_testsuite::timeline_store_contract!(tiny_parts);
}

mod tweets {
    use super::redis;

    storage_testsuite::tweet_cache_contract!(redis);
}

mod tweets_near {
    use super::near;

    storage_testsuite::tweet_cache_contract!(near);
}

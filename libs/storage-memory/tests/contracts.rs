//! The contracts of home timelines and of the tweet cache, in memory.

use std::sync::Arc;

use model::SystemClock;
use storage::{TimelineStore, TweetCache};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines, MemoryTweets};
use storage_testsuite::{CacheBackend, TimelineBackend};

struct Memory;

async fn memory() -> Option<Memory> {
    Some(Memory)
}

impl TimelineBackend for Memory {
    async fn fresh(&self, window: usize) -> Arc<dyn TimelineStore> {
        let options = MemoryTimelineOptions {
            window,
            ..MemoryTimelineOptions::default()
        };
        MemoryTimelines::new(Arc::new(SystemClock), options)
    }
}

impl CacheBackend for Memory {
    async fn fresh(&self, capacity_bytes: u64) -> Arc<dyn TweetCache> {
        MemoryTweets::new(capacity_bytes)
    }
}

mod timelines {
    use super::memory;

    storage_testsuite::timeline_store_contract!(memory);
}

mod tweets {
    use super::memory;

    storage_testsuite::tweet_cache_contract!(memory);
    storage_testsuite::bounded_tweet_cache_contract!(memory);
}

//! Stores of timelines, and how to spoil what is in them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fred::clients::Client;
use fred::interfaces::{ClientLike, KeysInterface};
use fred::types::config::Config;
use fred::types::{Builder, Expiration};
use model::{Clock, Coverage, Generation, SystemClock, TweetId, UserId};
use storage::{Built, Deadline, Generations, StoreError, TimelineStore};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines};
use storage_redis::{RedisClient, RedisNode, RedisOptions, RedisTimelineOptions, RedisTimelines};

use crate::world::deadline;

/// Changes a timeline's ids, oldest first, and its mark.
pub(crate) type Change<'a> = &'a (dyn Fn(&mut Vec<u64>, &mut u64) + Send + Sync);

/// A store of timelines that can be spoilt.
#[async_trait]
pub(crate) trait Spoil: Sync {
    /// The store.
    fn store(&self) -> Arc<dyn TimelineStore>;

    /// Changes what is stored for a user in a way that no rule allows.
    async fn spoil(&self, user: UserId, change: Change<'_>);
}

pub(crate) struct Memory(Arc<MemoryTimelines>);

pub(crate) fn memory() -> Memory {
    Memory(MemoryTimelines::new(
        Arc::new(SystemClock),
        MemoryTimelineOptions::default(),
    ))
}

#[async_trait]
impl Spoil for Memory {
    fn store(&self) -> Arc<dyn TimelineStore> {
        self.0.clone()
    }

    async fn spoil(&self, user: UserId, change: Change<'_>) {
        let stored = self.0.inspect(user, deadline()).await.unwrap().unwrap();
        let mut ids: Vec<u64> = stored.ids.iter().rev().map(|id| id.get()).collect();
        let mut mark = stored.coverage.complete_from.get();
        change(&mut ids, &mut mark);
        let spoilt = Built {
            ids: ids.into_iter().map(TweetId::new).collect(),
            coverage: Coverage {
                complete_from: TweetId::MIN,
                ..stored.coverage
            },
        };
        let ticket = self.0.begin_build(user, deadline()).await.unwrap();
        assert!(self.0.install(ticket, spoilt, deadline()).await.unwrap());
        self.0.spoil_mark(user, TweetId::new(mark));
    }
}

/// Spoilt behind the adapter's back: the text of its `src/timelines.rs` says how a timeline lies in Redis.
pub(crate) struct Redis {
    timelines: Arc<RedisTimelines>,
    generation: Generation,
    raw: Client,
}

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

/// A generation that no other test has.
fn own_generation() -> Generation {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let process = u64::from(std::process::id() & 0xfff);
    Generation((SystemClock.unix_ms() << 20) | (process << 8) | number)
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its server is no configuration of the system"
)]
pub(crate) async fn redis() -> Option<Redis> {
    let Ok(url) = std::env::var("ROOKERY_TEST_REDIS_URL") else {
        eprintln!("SKIPPED: ROOKERY_TEST_REDIS_URL is not set; `cargo xtask test` and `cargo xtask servers` set it");
        return None;
    };
    let generation = own_generation();
    let raw = Builder::from_config(Config::from_url(&url).unwrap()).build().unwrap();
    raw.init().await.unwrap();
    let redis = RedisClient::connect(&RedisOptions::new(url)).await.unwrap();
    let node = RedisNode::connect(&redis, 2, Arc::new(Always(generation)))
        .await
        .unwrap();
    let options = RedisTimelineOptions {
        window: 800,
        idle: Duration::from_mins(5),
    };
    Some(Redis {
        timelines: RedisTimelines::new(node, options),
        generation,
        raw,
    })
}

const HEADER_BYTES: usize = 56;
const FLOOR: std::ops::Range<usize> = 48..56;
/// The flag, in the second byte, of a timeline that is complete from the beginning of history.
const WHOLE: u8 = 4;

#[async_trait]
impl Spoil for Redis {
    fn store(&self) -> Arc<dyn TimelineStore> {
        self.timelines.clone()
    }

    async fn spoil(&self, user: UserId, change: Change<'_>) {
        let key = format!("t{{{user}}}:{}", self.generation);
        let bytes: Bytes = self.raw.get(&key).await.unwrap();
        let (mut header, ids) = (bytes[..HEADER_BYTES].to_vec(), &bytes[HEADER_BYTES..]);
        let number = |bytes: &[u8]| u64::from_be_bytes(bytes.try_into().unwrap());
        let mut ids: Vec<u64> = ids.chunks_exact(8).map(number).collect();
        let is_whole = header[1] & WHOLE != 0;
        let mut mark = if is_whole { 0 } else { number(&header[FLOOR]) + 1 };
        change(&mut ids, &mut mark);
        header[FLOOR].copy_from_slice(&mark.saturating_sub(1).to_be_bytes());
        header[1] = if mark == 0 {
            header[1] | WHOLE
        } else {
            header[1] & !WHOLE
        };
        header.extend(ids.into_iter().flat_map(u64::to_be_bytes));
        let kept = Some(Expiration::KEEPTTL);
        let _: () = self
            .raw
            .set(&key, Bytes::from(header), kept, None, false)
            .await
            .unwrap();
    }
}

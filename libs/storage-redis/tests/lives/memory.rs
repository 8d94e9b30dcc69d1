//! How much it takes, and what happens when there is no more.

use std::sync::Arc;

use model::{TweetId, UserId};
use storage::{StoreError, TimelineStore, TweetCache};
use storage_testsuite::CacheBackend;

use crate::server::{Server, programs};
use crate::world::{READER, World, deadline};

/// Header, slack and the keys themselves included.
#[tokio::test]
async fn an_entry_takes_at_most_12_bytes() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let first = 0x0333_0000_0000_0000;
        world.build(READER, first..first + 800).await;
        for id in first + 800..first + 2_000 {
            world.push(READER, &[id]).await.unwrap();
            let stats = world.timelines.stats().await.unwrap();
            if id % 7 == 0 {
                assert_eq!(stats.timelines, 1);
                assert!(stats.entries >= 800 && stats.bytes <= 12 * 800, "{stats:?}");
            }
        }
    }
}

/// The last resort against what nobody reads any more.
#[tokio::test]
async fn every_key_goes_by_itself() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.announce(1).await;
        world.build(READER, 1..=500).await;
        for id in (501..900).rev() {
            world.push(READER, &[id]).await.unwrap();
        }
        world.timelines.begin_build(READER, deadline()).await.unwrap();
        world.timelines.begin_build(UserId::new(6), deadline()).await.unwrap();
        world.push(READER, &[1_000]).await.unwrap();
        world.build(UserId::new(7), 1..=500).await;
        world.timelines.remove(&[UserId::new(7)], deadline()).await.unwrap();
        let (_, epoch) = world.cached(7).await;
        world.put(7, epoch).await;
        world.cached(8).await;
        let keys = server.keys("").await;
        assert!(keys.len() >= 6, "{keys:?}");
        for key in keys {
            let ttl_ms: i64 = server.ask("PTTL", &[&key]).await;
            assert!(ttl_ms > 0, "{key}: {ttl_ms}");
        }
    }
}

/// A timeline lives for as long as it is read.
#[tokio::test]
async fn a_read_prolongs_a_timeline_now_and_then() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, 1..=500).await;
        let keys = [server.keys("t").await.remove(0), server.keys("u").await.remove(0)];
        for key in &keys {
            let set: u64 = server.ask("EXPIRE", &[key, "1000"]).await;
            assert_eq!(set, 1);
        }
        world.read(READER).await.unwrap();
        for key in &keys {
            let ttl: i64 = server.ask("TTL", &[key]).await;
            assert!(ttl <= 1_000, "not with every read: {ttl}");
        }
        let two_days_ago = bytes_of(server.ask::<(u64, u64)>("TIME", &[]).await.0 - 2 * 86_400);
        let at = ["8", "9", "10", "11"];
        for (at, byte) in at.into_iter().zip(two_days_ago) {
            let script = "return redis.call('SETRANGE', KEYS[1], ARGV[1], string.char(ARGV[2]))";
            let _: u64 = server
                .ask("EVAL", &[script, "1", &keys[0], at, &byte.to_string()])
                .await;
        }
        world.read(READER).await.unwrap();
        for key in &keys {
            let ttl: i64 = server.ask("TTL", &[key]).await;
            assert!(ttl > 1_000, "{key}: {ttl}");
        }
        assert_eq!(world.all(READER).await.0.len(), 500);
    }
}

fn bytes_of(seconds: u64) -> [u8; 4] {
    u32::try_from(seconds).unwrap().to_be_bytes()
}

#[tokio::test]
async fn a_full_server_refuses_and_says_so() {
    for program in programs() {
        let server = Server::start(&program, &["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]).await;
        let world = World::new(&server.url()).await;
        let mut refused = None;
        for user in 1..2_000 {
            let begun = world.timelines.begin_build(UserId::new(user), deadline()).await;
            if let Err(error) = begun {
                refused = Some(error);
                break;
            }
            let ballast = "x".repeat(8_000);
            let _ = server
                .try_ask::<u64>("SETRANGE", &[&format!("x{user}"), "0", &ballast])
                .await;
        }
        assert!(matches!(refused, Some(StoreError::Overloaded { .. })), "{refused:?}");
        assert!(
            world.read(UserId::new(1)).await.is_ok(),
            "what is there can still be read"
        );
    }
}

/// A server with room for so many bytes, which drops what is used least.
struct Bounded {
    program: String,
    kept: parking_lot::Mutex<Vec<Server>>,
}

async fn bounded() -> Option<Bounded> {
    let program = programs().into_iter().next()?;
    Some(Bounded {
        program,
        kept: parking_lot::Mutex::default(),
    })
}

impl CacheBackend for Bounded {
    async fn fresh(&self, capacity_bytes: u64) -> Arc<dyn TweetCache> {
        let server = Server::start(&self.program, &["--maxmemory-policy", "allkeys-lru"]).await;
        let world = World::new(&server.url()).await;
        world.cached(1).await;
        world.tweets.remove(&[TweetId::new(1)], deadline()).await.unwrap();
        let memory: String = server.ask("INFO", &["memory"]).await;
        let used = memory
            .lines()
            .find_map(|line| line.strip_prefix("used_memory:"))
            .unwrap();
        let limit = used.parse::<u64>().unwrap() + capacity_bytes;
        let set: String = server.ask("CONFIG", &["SET", "maxmemory", &limit.to_string()]).await;
        assert_eq!(set, "OK");
        self.kept.lock().push(server);
        world.tweets
    }
}

mod bounded_by_the_server {
    use super::bounded;

    storage_testsuite::bounded_tweet_cache_contract!(bounded);
}

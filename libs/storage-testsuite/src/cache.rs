//! The contract of `TweetCache`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use model::{TweetId, UserId};
use storage::{CacheEpoch, RenderedTweet, TweetCache};

use crate::support::deadline;

/// An adapter whose tweets may be forgotten.
pub trait CacheBackend {
    /// An empty cache that may take about `capacity_bytes`.
    fn fresh(&self, capacity_bytes: u64) -> impl Future<Output = Arc<dyn TweetCache>>;
}

/// Runs the contract of `TweetCache` against an adapter. `$make` is an async function that answers a
/// [`CacheBackend`](crate::CacheBackend).
#[macro_export]
macro_rules! tweet_cache_contract {
    ($make:path) => {
        $crate::contract! { $make, cache:
            what_was_put_is_answered_in_the_order_asked_for,
            what_was_removed_is_gone,
            trap_07_a_put_from_before_a_removal_does_not_bring_it_back,
            a_put_from_before_many_removals_does_not_bring_any_back,
            other_removals_do_not_stop_a_later_put,
            removals_win_over_puts_that_race_with_them,
            removals_win_over_looks_that_race_with_them,
        }
    };
}

/// Runs what a cache promises besides that bounds itself by bytes; one behind a server is bounded by that server.
#[macro_export]
macro_rules! bounded_tweet_cache_contract {
    ($make:path) => {
        $crate::contract! { $make, cache:
            a_cache_is_bounded,
        }
    };
}

const ROOM: u64 = 10 << 20;

fn rendered(id: u64) -> Arc<RenderedTweet> {
    Arc::new(RenderedTweet {
        id: TweetId::new(id),
        author: UserId::new(id % 7 + 1),
        in_reply_to: id.is_multiple_of(2).then_some(TweetId::new(id + 1)),
        json: Bytes::from(format!(r#"{{"id":"{id}","text":"{}"}}"#, "é".repeat(100))),
    })
}

fn tweets(ids: &[u64]) -> Vec<TweetId> {
    ids.iter().copied().map(TweetId::new).collect()
}

/// As whoever is about to read these from the store, because they are not cached.
async fn epoch(cache: &dyn TweetCache, missing: &[u64]) -> CacheEpoch {
    cache.get(&tweets(missing), deadline()).await.unwrap().epoch
}

async fn put(cache: &dyn TweetCache, ids: &[u64], epoch: CacheEpoch) {
    cache
        .put(ids.iter().copied().map(rendered).collect(), epoch, deadline())
        .await
        .unwrap();
}

async fn remove(cache: &dyn TweetCache, ids: &[u64]) {
    cache.remove(&tweets(ids), deadline()).await.unwrap();
}

async fn get(cache: &dyn TweetCache, ids: &[u64]) -> Vec<Option<Arc<RenderedTweet>>> {
    cache.get(&tweets(ids), deadline()).await.unwrap().tweets
}

pub async fn what_was_put_is_answered_in_the_order_asked_for(backend: impl CacheBackend) {
    let cache = &*backend.fresh(ROOM).await;
    let now = epoch(cache, &[1, 2, 3]).await;
    put(cache, &[1, 2, 3], now).await;
    let expected = [Some(rendered(3)), None, Some(rendered(1)), Some(rendered(3))];
    assert_eq!(get(cache, &[3, 9, 1, 3]).await, expected);
}

pub async fn what_was_removed_is_gone(backend: impl CacheBackend) {
    let cache = &*backend.fresh(ROOM).await;
    let now = epoch(cache, &[1, 2]).await;
    put(cache, &[1, 2], now).await;
    assert_eq!(get(cache, &[1, 2]).await, [Some(rendered(1)), Some(rendered(2))]);
    remove(cache, &[1, 5]).await;
    assert_eq!(get(cache, &[1, 2]).await, [None, Some(rendered(2))]);
}

pub async fn trap_07_a_put_from_before_a_removal_does_not_bring_it_back(backend: impl CacheBackend) {
    let cache = &*backend.fresh(ROOM).await;
    let before = epoch(cache, &[1]).await;
    remove(cache, &[1]).await;
    put(cache, &[1], before).await;
    assert_eq!(get(cache, &[1]).await, [None]);
    put(cache, &[1], before).await;
    assert_eq!(get(cache, &[1]).await, [None], "not at the second try either");
}

pub async fn a_put_from_before_many_removals_does_not_bring_any_back(backend: impl CacheBackend) {
    let cache = &*backend.fresh(ROOM).await;
    let before = epoch(cache, &[1, 10_000, 20_000]).await;
    for first in (1..20_000).step_by(500) {
        remove(cache, &(first..first + 500).collect::<Vec<_>>()).await;
    }
    put(cache, &[1, 10_000, 20_000], before).await;
    assert_eq!(get(cache, &[1, 10_000, 20_000]).await, [None, None, None]);
}

pub async fn other_removals_do_not_stop_a_later_put(backend: impl CacheBackend) {
    let cache = &*backend.fresh(ROOM).await;
    remove(cache, &[1]).await;
    let now = epoch(cache, &[1, 2]).await;
    put(cache, &[2], now).await;
    assert_eq!(get(cache, &[1, 2]).await, [None, Some(rendered(2))]);
}

pub async fn a_cache_is_bounded(backend: impl CacheBackend) {
    let cache = &*backend.fresh(1 << 20).await;
    let ids: Vec<u64> = (1..=50_000).collect();
    let now = epoch(cache, &ids).await;
    put(cache, &ids, now).await;
    let bytes: usize = get(cache, &ids)
        .await
        .iter()
        .flatten()
        .map(|tweet| tweet.json.len())
        .sum();
    assert!(bytes <= 1 << 20, "{bytes}");
}

/// A reader that found the tweet in the store just before the tombstone was committed puts it while it is removed.
pub async fn removals_win_over_puts_that_race_with_them(backend: impl CacheBackend) {
    let cache = backend.fresh(ROOM).await;
    let deleted = Arc::new(AtomicU64::new(0));
    let reader = tokio::spawn({
        let (cache, deleted) = (Arc::clone(&cache), Arc::clone(&deleted));
        async move {
            while deleted.load(Ordering::SeqCst) < 2_000 {
                let next = deleted.load(Ordering::SeqCst) + 1;
                let now = epoch(&*cache, &[next]).await;
                let is_in_store = deleted.load(Ordering::SeqCst) < next;
                if is_in_store {
                    put(&*cache, &[next], now).await;
                }
                tokio::task::yield_now().await;
            }
        }
    });
    for id in 1..=2_000 {
        deleted.store(id, Ordering::SeqCst);
        remove(&*cache, &[id]).await;
        assert_eq!(get(&*cache, &[id]).await, [None], "tweet {id}");
        tokio::task::yield_now().await;
    }
    reader.await.unwrap();
    let removed: Vec<u64> = (1..=2_000).collect();
    assert!(get(&*cache, &removed).await.iter().all(Option::is_none));
}

/// Others look at it all the time, and keep what they find, perhaps.
pub async fn removals_win_over_looks_that_race_with_them(backend: impl CacheBackend) {
    let cache = backend.fresh(ROOM).await;
    let current = Arc::new(AtomicU64::new(1));
    let readers = (0..3).map(|_| {
        let (cache, current) = (Arc::clone(&cache), Arc::clone(&current));
        tokio::spawn(async move {
            let mut found = 0;
            loop {
                let id = current.load(Ordering::SeqCst);
                if id == 0 {
                    return found;
                }
                found += get(&*cache, &[id]).await.iter().flatten().count();
                tokio::task::yield_now().await;
            }
        })
    });
    let readers: Vec<_> = readers.collect();
    for id in 1..=500 {
        let now = epoch(&*cache, &[id]).await;
        current.store(id, Ordering::SeqCst);
        put(&*cache, &[id], now).await;
        tokio::time::sleep(Duration::from_millis(1)).await;
        remove(&*cache, &[id]).await;
        assert_eq!(get(&*cache, &[id]).await, [None], "tweet {id}");
    }
    current.store(0, Ordering::SeqCst);
    let mut found = 0;
    for reader in readers {
        found += reader.await.unwrap();
    }
    assert!(found > 0, "it was looked at");
    let removed: Vec<u64> = (1..=500).collect();
    assert!(get(&*cache, &removed).await.iter().all(Option::is_none));
}

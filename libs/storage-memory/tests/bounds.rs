//! What the store in memory promises beyond the contract: how much it takes, and who goes first.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::time::Duration;

use model::{ActorVersion, Coverage, EPOCH_MS, ManualClock, TweetId, UserId};
use storage::{Built, Deadline, PushBatch, TimelineStore};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines};

const WINDOW: u64 = 800;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn store(memory_bytes: u64) -> (Arc<MemoryTimelines>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(EPOCH_MS));
    let options = MemoryTimelineOptions {
        memory_bytes,
        ..MemoryTimelineOptions::default()
    };
    (MemoryTimelines::new(clock.clone(), options), clock)
}

async fn build(store: &MemoryTimelines, user: u64, entries: u64) {
    let ticket = store.begin_build(UserId::new(user), deadline()).await.unwrap();
    let coverage = Coverage {
        complete_from: TweetId::MIN,
        holds: ActorVersion(1),
    };
    let ids = (1..=entries).map(TweetId::new).collect();
    assert!(
        store
            .install(ticket, Built { ids, coverage }, deadline())
            .await
            .unwrap()
    );
}

async fn exists(store: &MemoryTimelines, user: u64) -> bool {
    let nothing_new = PushBatch::group(&mut vec![(UserId::new(user), TweetId::new(1))]);
    store.push(&nothing_new, deadline()).await.unwrap()[0]
}

#[tokio::test]
async fn a_full_timeline_takes_at_most_12_bytes_an_entry() {
    let (store, _) = store(1 << 30);
    for user in 0..1_024 {
        build(&store, user, WINDOW).await;
    }
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.timelines, stats.entries), (1_024, 1_024 * WINDOW));
    assert!(stats.bytes <= 12 * stats.entries, "{stats:?}");
}

#[tokio::test]
async fn a_timeline_that_grew_by_pushes_takes_no_more() {
    let (store, _) = store(1 << 30);
    for user in 0..256 {
        build(&store, user, 0).await;
    }
    for id in 1..=3 * WINDOW {
        let mut pairs = (0..256).map(|user| (UserId::new(user), TweetId::new(id))).collect();
        store.push(&PushBatch::group(&mut pairs), deadline()).await.unwrap();
    }
    let stats = store.stats().await.unwrap();
    assert_eq!(stats.entries, 256 * WINDOW);
    assert!(stats.bytes <= 12 * stats.entries, "{stats:?}");
}

#[tokio::test]
async fn beyond_its_memory_the_least_recently_read_go() {
    let (store, clock) = store(2 << 20);
    for user in 1..=400 {
        clock.advance(1_000);
        build(&store, user, WINDOW).await;
        store.read(UserId::new(1), TweetId::MAX, 1, deadline()).await.unwrap();
        assert!(store.stats().await.unwrap().bytes <= 2 << 20);
    }
    assert!(exists(&store, 1).await, "read all the time");
    assert!(exists(&store, 400).await, "just built");
    assert!(!exists(&store, 2).await, "never read since");
    let stats = store.stats().await.unwrap();
    assert!(stats.bytes > 15 << 17, "no more go than must: {stats:?}");
}

#[tokio::test]
async fn pushes_keep_to_the_bound_too() {
    let (store, _) = store(1 << 20);
    for user in 1..=200 {
        build(&store, user, 0).await;
    }
    for id in 1..=WINDOW {
        let mut pairs = (1..=200).map(|user| (UserId::new(user), TweetId::new(id))).collect();
        store.push(&PushBatch::group(&mut pairs), deadline()).await.unwrap();
        assert!(store.stats().await.unwrap().bytes <= 1 << 20);
    }
    assert!(store.stats().await.unwrap().timelines > 100);
}

#[tokio::test]
async fn a_bound_below_everything_ends() {
    let (store, _) = store(1);
    build(&store, 1, 1).await;
    build(&store, 1 << 30, 1).await;
    assert_eq!(store.stats().await.unwrap().timelines, 0);
}

#[tokio::test]
async fn idle_timelines_are_forgotten() {
    let (store, clock) = store(1 << 30);
    for user in [1, 300, 100_000] {
        build(&store, user, 3).await;
    }
    clock.advance(10_000);
    store.read(UserId::new(300), TweetId::MAX, 1, deadline()).await.unwrap();
    assert_eq!(store.evict_idle(EPOCH_MS), 0);
    assert_eq!(store.evict_idle(EPOCH_MS + 5_000), 2);
    assert!(exists(&store, 300).await && !exists(&store, 1).await);
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.timelines, stats.entries), (1, 3));
}

//! Who works on which chunk.

use std::sync::Arc;
use std::time::Duration;

use model::{Mode, UserId};
use storage::{ChunkState, DeliveryStore, PendingChunk};

use super::{
    DeliveryBackend, LONG, TRIES, chunks, get, give_back, leased, numbers_pending, open, pending, result, tweet,
};
use crate::support::deadline;

pub async fn a_leased_chunk_is_nobody_elses(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    let first = leased(&*store, 2, LONG).await;
    let second = leased(&*store, 2, LONG).await;
    assert_eq!((first.len(), second.len()), (2, 1));
    let mut all = [first, second].concat();
    all.sort_unstable_by_key(|chunk| chunk.plan.number);
    let expected = chunks().into_iter().map(|plan| PendingChunk {
        tweet: tweet(1),
        author: UserId::new(2),
        mode: Mode::Both,
        plan,
        tries: 0,
    });
    assert_eq!(all, expected.collect::<Vec<_>>());
    assert_eq!(pending(&*store).await, []);
    let finished = store.finish((0..3).map(|number| result(1, number)).collect(), deadline());
    assert_eq!(finished.await.unwrap(), [tweet(1)]);
}

pub async fn concurrent_workers_share_the_chunks(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &(0..20).collect::<Vec<_>>()).await;
    let workers = (0..4).map(|_| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            let mut taken = Vec::new();
            // What others are just taking is passed over, so nothing may be left although not all is taken.
            while taken.len() < 15 {
                taken.extend(leased(&*store, 3.min(15 - taken.len()), LONG).await);
            }
            taken
        })
    });
    let mut all = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        all.extend(worker.await.unwrap());
    }
    let mut names: Vec<_> = all.iter().map(|chunk| (chunk.tweet, chunk.plan.number)).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), 60);
}

pub async fn a_lease_ends_unless_it_is_renewed(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    let short = Duration::from_millis(1);
    for number in 0..3 {
        let lease = if number == 1 { LONG } else { short };
        store.renew(tweet(1), number, lease, deadline()).await.unwrap();
    }
    while numbers_pending(&*store, 1).await != [0, 2] {
        tokio::time::sleep(short).await;
    }
    give_back(&*store, tweet(1), 1).await;
    assert_eq!(numbers_pending(&*store, 1).await, [0, 1, 2]);
}

pub async fn a_chunk_that_was_given_back_comes_after_those_that_waited(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    let failed = leased(&*store, 1, LONG).await.remove(0).plan.number;
    // A store may count in milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    give_back(&*store, tweet(1), failed).await;
    let next = leased(&*store, 2, LONG).await;
    assert!(next.iter().all(|chunk| chunk.plan.number != failed), "{next:?}");
    assert_eq!(numbers_pending(&*store, 1).await, [failed]);
}

pub async fn a_finished_chunk_is_not_given_back(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    leased(&*store, 3, LONG).await;
    store.finish(vec![result(1, 1)], deadline()).await.unwrap();
    for number in [1, 7] {
        give_back(&*store, tweet(1), number).await;
    }
    assert_eq!(numbers_pending(&*store, 1).await, []);
}

/// Begins the only chunk that is left, and fails.
async fn fail(store: &dyn DeliveryStore) -> PendingChunk {
    let chunk = store.lease(LONG, TRIES, deadline()).await.unwrap().unwrap();
    let failed = store.give_back(chunk.tweet, chunk.plan.number, true, deadline());
    failed.await.unwrap();
    chunk
}

/// One chunk that is set aside, with the others done.
async fn aside(store: &dyn DeliveryStore) -> PendingChunk {
    open(store, &[1]).await;
    store
        .finish(vec![result(1, 0), result(1, 2)], deadline())
        .await
        .unwrap();
    for tries in 0..TRIES {
        assert_eq!(fail(store).await.tries, tries);
    }
    let told = store.lease(LONG, TRIES, deadline()).await.unwrap().unwrap();
    assert_eq!(told.tries, TRIES);
    told
}

pub async fn a_chunk_that_always_fails_is_set_aside(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    let told = aside(&*store).await;
    assert_eq!(leased(&*store, 1, Duration::ZERO).await, [], "it is told once");
    let list = store.list_aside(9, deadline()).await.unwrap();
    assert_eq!(list.iter().map(|chunk| chunk.plan).collect::<Vec<_>>(), [told.plan]);
    assert_eq!(store.list_aside(0, deadline()).await.unwrap(), []);
    let found = store.chunk_of(tweet(1), told.plan.last, deadline()).await.unwrap();
    assert_eq!(found.map(|chunk| chunk.state), Some(ChunkState::Aside));
    assert_eq!(get(&*store, 1).await.unwrap().finished_at_ms, None);
}

pub async fn what_is_set_aside_is_replayed(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    aside(&*store).await;
    assert_eq!(store.replay_aside(deadline()).await.unwrap(), 1);
    assert_eq!(store.replay_aside(deadline()).await.unwrap(), 0);
    assert_eq!(store.list_aside(9, deadline()).await.unwrap(), []);
    assert_eq!(fail(&*store).await.tries, 0);
    let finished = store.finish(vec![result(1, 1)], deadline()).await.unwrap();
    assert_eq!(finished, [tweet(1)]);
}

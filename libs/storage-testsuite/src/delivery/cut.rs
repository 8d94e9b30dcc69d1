//! Plans that are made piece by piece.

use model::{ChunkPlan, UserId};
use storage::DeliveryStore;

use super::{DeliveryBackend, LONG, chunks, get, leased, numbers_pending, open, pending, plan, result, tweet};
use crate::support::deadline;

/// The first chunk, and the rest.
fn first_and_rest() -> Vec<ChunkPlan> {
    let first = chunks()[0];
    vec![first, ChunkPlan::rest(1, Some(first.last))]
}

/// The second chunk of two, which is the last.
fn second() -> Vec<ChunkPlan> {
    vec![chunks()[1]]
}

async fn plans(store: &dyn DeliveryStore) -> Vec<ChunkPlan> {
    pending(store).await.iter().map(|chunk| chunk.plan).collect()
}

pub async fn a_rest_is_cut_page_by_page(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.open(vec![plan(1)], deadline()).await.unwrap();
    assert_eq!(plans(&*store).await, [ChunkPlan::rest(0, None)]);
    store.cut(tweet(1), first_and_rest(), deadline()).await.unwrap();
    assert_eq!(plans(&*store).await, first_and_rest());
    let finish = |number| store.finish(vec![result(1, number)], deadline());
    assert_eq!(finish(0).await.unwrap(), [], "the rest is not done");
    store.cut(tweet(1), second(), deadline()).await.unwrap();
    assert_eq!(plans(&*store).await, second());
    assert_eq!(get(&*store, 1).await.unwrap().expected, 30);
    assert_eq!(finish(1).await.unwrap(), [tweet(1)]);
    let done = get(&*store, 1).await.unwrap();
    assert_eq!((done.expected, done.written, done.skipped), (30, 27, 3));
}

pub async fn a_rest_is_cut_once(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.open(vec![plan(1)], deadline()).await.unwrap();
    store.cut(tweet(1), first_and_rest(), deadline()).await.unwrap();
    // By somebody whose lease has ended meanwhile, and who has seen other followers.
    let mut other = chunks();
    other[0].last = UserId::new(7);
    for again in [other, first_and_rest(), Vec::new()] {
        store.cut(tweet(1), again, deadline()).await.unwrap();
    }
    store.cut(tweet(9), chunks(), deadline()).await.unwrap();
    assert_eq!(plans(&*store).await, first_and_rest());
    assert_eq!(get(&*store, 1).await.unwrap().expected, 10);
    store.finish(vec![result(1, 1)], deadline()).await.unwrap();
    store.cut(tweet(1), second(), deadline()).await.unwrap();
    assert_eq!(numbers_pending(&*store, 1).await, [0], "what is finished is not cut");
}

pub async fn the_rest_of_a_plan_that_has_begun_comes_first(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    store.open(vec![plan(2)], deadline()).await.unwrap();
    store.cut(tweet(2), first_and_rest(), deadline()).await.unwrap();
    let next = leased(&*store, 1, LONG).await.remove(0);
    assert_eq!((next.tweet, next.plan), (tweet(2), first_and_rest()[1]));
}

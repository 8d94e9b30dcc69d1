//! The contract of `DeliveryStore`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod books;
mod cut;
mod leases;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use model::{ChunkPlan, DeliveryPlan, DeliveryRecord, Mode, TweetId, UserId};
use storage::{ChunkRecord, ChunkResult, ChunkState, DeliveryStore, PendingChunk};

use crate::support::deadline;
pub use books::*;
pub use cut::*;
pub use leases::*;

/// An adapter with an empty store of its own, which is opened, let go of and opened again.
pub trait DeliveryBackend {
    /// Opens the store, which nobody has open.
    fn open(&self) -> impl Future<Output = Arc<dyn DeliveryStore>>;
}

/// Runs the contract of `DeliveryStore` against an adapter. `$make` is an async function that answers a fresh
/// [`DeliveryBackend`](crate::DeliveryBackend).
#[macro_export]
macro_rules! delivery_store_contract {
    ($make:path) => {
        $crate::contract! { $make, delivery:
            records_are_read_in_the_order_asked_for,
            a_record_stays_as_it_was,
            a_plan_is_a_pending_record,
            a_plan_stays_as_it_was,
            neither_record_nor_plan_replaces_the_other,
            a_follower_falls_into_one_chunk,
            chunks_are_pending_until_they_are_finished,
            a_tweet_is_finished_with_its_last_chunk,
            a_chunk_counts_once_however_often_it_is_reported,
            a_chunk_counts_once_within_one_report,
            concurrent_workers_finish_a_tweet_together,
            a_rest_is_cut_page_by_page,
            a_rest_is_cut_once,
            the_rest_of_a_plan_that_has_begun_comes_first,
            a_leased_chunk_is_nobody_elses,
            concurrent_workers_share_the_chunks,
            a_lease_ends_unless_it_is_renewed,
            a_chunk_that_was_given_back_comes_after_those_that_waited,
            a_finished_chunk_is_not_given_back,
            a_chunk_that_always_fails_is_set_aside,
            what_is_set_aside_is_replayed,
            what_is_unknown_is_not_finished,
            a_range_of_records_is_tallied,
            followers_of_unfinished_chunks_are_pending,
            the_books_begin_once,
            a_range_is_closed_once,
            concurrent_processes_close_each_range_once,
            the_books_outlive_records_and_processes,
            only_what_was_finished_before_is_pruned,
            pruning_is_bounded,
            a_store_that_is_opened_again_goes_on,
        }
    };
}

/// Longer than any test takes.
const LONG: Duration = Duration::from_mins(10);

/// After how many tries chunks are set aside.
const TRIES: u32 = 2;

fn tweet(n: u64) -> TweetId {
    TweetId::new(1_000 + n)
}

fn record(n: u64) -> DeliveryRecord {
    DeliveryRecord {
        tweet: tweet(n),
        author: UserId::new(n + 1),
        mode: Mode::Push,
        expected: 10,
        written: 7,
        skipped: 3,
        unfollowed: 1,
        accepted_at_ms: 100 * n,
        finished_at_ms: Some(100 * n + 50),
    }
}

fn plan(n: u64) -> DeliveryPlan {
    DeliveryPlan {
        tweet: tweet(n),
        author: UserId::new(n + 1),
        mode: Mode::Both,
        accepted_at_ms: 100 * n,
    }
}

/// Three chunks of 10, 20 and 30 followers.
fn chunks() -> Vec<ChunkPlan> {
    let chunk = |number: u32| ChunkPlan {
        number,
        after: (number > 0).then(|| UserId::new(u64::from(number) * 100)),
        last: UserId::new(u64::from(number + 1) * 100),
        expected: u64::from(number + 1) * 10,
    };
    (0..3).map(chunk).collect()
}

/// Plans that are cut into these chunks.
async fn open(store: &dyn DeliveryStore, tweets: &[u64]) {
    let plans = tweets.iter().map(|n| plan(*n)).collect();
    store.open(plans, deadline()).await.unwrap();
    for n in tweets {
        store.cut(tweet(*n), chunks(), deadline()).await.unwrap();
    }
}

fn result(n: u64, number: u32) -> ChunkResult {
    ChunkResult {
        tweet: tweet(n),
        number,
        written: u64::from(number + 1) * 9,
        skipped: u64::from(number + 1),
        unfollowed: u64::from(number),
        finished_at_ms: 1_000 + u64::from(number),
    }
}

async fn get(store: &dyn DeliveryStore, n: u64) -> Option<DeliveryRecord> {
    store.get(&[tweet(n)], deadline()).await.unwrap().remove(0)
}

async fn numbers_pending(store: &dyn DeliveryStore, n: u64) -> Vec<u32> {
    let of_tweet = |chunk: &PendingChunk| (chunk.tweet == tweet(n)).then_some(chunk.plan.number);
    pending(store).await.iter().filter_map(of_tweet).collect()
}

/// What nobody works on, by tweet and number; nobody works on it afterwards.
async fn pending(store: &dyn DeliveryStore) -> Vec<PendingChunk> {
    let pending = leased(store, 1_000, LONG).await;
    for chunk in &pending {
        give_back(store, chunk.tweet, chunk.plan.number).await;
    }
    pending
}

async fn give_back(store: &dyn DeliveryStore, tweet: TweetId, number: u32) {
    store.give_back(tweet, number, false, deadline()).await.unwrap();
}

/// At most `limit` chunks, by tweet and number.
async fn leased(store: &dyn DeliveryStore, limit: usize, lease: Duration) -> Vec<PendingChunk> {
    let mut leased = Vec::new();
    while leased.len() < limit
        && let Some(chunk) = store.lease(lease, TRIES, deadline()).await.unwrap()
    {
        leased.push(chunk);
    }
    leased.sort_unstable_by_key(|chunk| (chunk.tweet, chunk.plan.number));
    leased
}

pub async fn records_are_read_in_the_order_asked_for(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    let mut pulled = record(2);
    (pulled.mode, pulled.expected, pulled.written, pulled.skipped) = (Mode::Pull, 0, 0, 0);
    store.record(vec![record(1), pulled.clone()], deadline()).await.unwrap();
    let found = store
        .get(&[tweet(2), tweet(3), tweet(1), tweet(2)], deadline())
        .await
        .unwrap();
    assert_eq!(found, [Some(pulled.clone()), None, Some(record(1)), Some(pulled)]);
}

pub async fn a_record_stays_as_it_was(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.record(vec![record(1)], deadline()).await.unwrap();
    let mut other = record(1);
    (other.mode, other.written, other.finished_at_ms) = (Mode::Both, 10, Some(9_999));
    store.record(vec![other, record(2)], deadline()).await.unwrap();
    assert_eq!(get(&*store, 1).await, Some(record(1)));
    assert_eq!(get(&*store, 2).await, Some(record(2)));
}

pub async fn a_plan_is_a_pending_record(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.open(vec![plan(1)], deadline()).await.unwrap();
    let opened = DeliveryRecord {
        tweet: tweet(1),
        author: UserId::new(2),
        mode: Mode::Both,
        expected: 0,
        written: 0,
        skipped: 0,
        unfollowed: 0,
        accepted_at_ms: 100,
        finished_at_ms: None,
    };
    assert_eq!(get(&*store, 1).await, Some(opened.clone()));
    store.cut(tweet(1), chunks(), deadline()).await.unwrap();
    assert_eq!(get(&*store, 1).await, Some(DeliveryRecord { expected: 60, ..opened }));
}

pub async fn a_plan_stays_as_it_was(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    let mut other = plan(1);
    other.mode = Mode::Push;
    store.open(vec![other], deadline()).await.unwrap();
    let pending = pending(&*store).await;
    assert_eq!(pending.iter().map(|chunk| chunk.plan).collect::<Vec<_>>(), chunks());
    assert_eq!(
        get(&*store, 1).await.map(|record| (record.mode, record.expected)),
        Some((Mode::Both, 60))
    );
}

pub async fn neither_record_nor_plan_replaces_the_other(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.record(vec![record(1)], deadline()).await.unwrap();
    open(&*store, &[1, 2]).await;
    store.record(vec![record(2)], deadline()).await.unwrap();
    assert_eq!(get(&*store, 1).await, Some(record(1)));
    assert_eq!(numbers_pending(&*store, 1).await, []);
    assert_eq!(get(&*store, 2).await.unwrap().finished_at_ms, None);
    assert_eq!(numbers_pending(&*store, 2).await, [0, 1, 2]);
}

pub async fn a_follower_falls_into_one_chunk(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    let chunk_of = async |n: u64, follower: u64| {
        let found = store.chunk_of(tweet(n), UserId::new(follower), deadline()).await;
        found.unwrap()
    };
    store.open(vec![plan(1)], deadline()).await.unwrap();
    let waits = |plan| ChunkRecord {
        plan,
        tries: 0,
        state: ChunkState::Pending,
    };
    assert_eq!(chunk_of(1, 1).await, Some(waits(ChunkPlan::rest(0, None))));
    store.cut(tweet(1), chunks(), deadline()).await.unwrap();
    for (follower, chunk) in [(1, 0), (100, 0), (101, 1), (200, 1), (300, 2)] {
        assert_eq!(chunk_of(1, follower).await, Some(waits(chunks()[chunk])), "{follower}");
    }
    assert_eq!((chunk_of(1, 301).await, chunk_of(2, 1).await), (None, None));
    store.finish(vec![result(1, 1)], deadline()).await.unwrap();
    let done = ChunkState::Done {
        written: 18,
        skipped: 2,
        finished_at_ms: 1_001,
    };
    assert_eq!(chunk_of(1, 101).await.map(|chunk| chunk.state), Some(done));
    store.record(vec![record(3)], deadline()).await.unwrap();
    assert_eq!(chunk_of(3, 1).await, None, "it was delivered in one go");
}

pub async fn chunks_are_pending_until_they_are_finished(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[2, 1]).await;
    store.finish(vec![result(1, 1)], deadline()).await.unwrap();
    let pending = pending(&*store).await;
    let by_tweet_and_number: Vec<_> = pending.iter().map(|chunk| (chunk.tweet, chunk.plan.number)).collect();
    let (one, two) = (tweet(1), tweet(2));
    assert_eq!(by_tweet_and_number, [(one, 0), (one, 2), (two, 0), (two, 1), (two, 2)]);
    let expected = PendingChunk {
        tweet: one,
        author: UserId::new(2),
        mode: Mode::Both,
        plan: chunks()[2],
        tries: 0,
    };
    assert_eq!(pending[1], expected);
}

pub async fn a_tweet_is_finished_with_its_last_chunk(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1, 2]).await;
    assert_eq!(
        store
            .finish(vec![result(1, 2), result(1, 0)], deadline())
            .await
            .unwrap(),
        []
    );
    let partial = get(&*store, 1).await.unwrap();
    assert_eq!(
        (partial.written, partial.skipped, partial.finished_at_ms),
        (36, 4, None)
    );
    let finished = store
        .finish(vec![result(2, 0), result(1, 1)], deadline())
        .await
        .unwrap();
    assert_eq!(finished, [tweet(1)]);
    let done = get(&*store, 1).await.unwrap();
    assert_eq!(
        (done.expected, done.written, done.skipped, done.unfollowed),
        (60, 54, 6, 3)
    );
    assert_eq!(
        done.finished_at_ms,
        Some(1_001),
        "when the chunk that was finished last was finished"
    );
    assert_eq!(numbers_pending(&*store, 1).await, []);
}

pub async fn a_chunk_counts_once_however_often_it_is_reported(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    let mut other = result(1, 0);
    (other.written, other.skipped, other.finished_at_ms) = (0, 10, 9_999);
    store.finish(vec![result(1, 0)], deadline()).await.unwrap();
    store.finish(vec![other], deadline()).await.unwrap();
    let partial = get(&*store, 1).await.unwrap();
    assert_eq!(
        (partial.written, partial.skipped),
        (9, 1),
        "a finished chunk keeps its figures"
    );
    store
        .finish(vec![result(1, 1), result(1, 2)], deadline())
        .await
        .unwrap();
    let done = get(&*store, 1).await;
    let again = store.finish(vec![other, result(1, 2)], deadline()).await.unwrap();
    assert_eq!(again, [tweet(1)], "a tweet that was finished before is answered too");
    assert_eq!(get(&*store, 1).await, done);
}

pub async fn a_chunk_counts_once_within_one_report(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    let report = vec![result(1, 0), result(1, 1), result(1, 1), result(1, 2), result(1, 0)];
    assert_eq!(store.finish(report, deadline()).await.unwrap(), [tweet(1)]);
    let done = get(&*store, 1).await.unwrap();
    assert_eq!((done.written, done.skipped), (54, 6));
}

pub async fn concurrent_workers_finish_a_tweet_together(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &(0..20).collect::<Vec<_>>()).await;
    let workers = (0..3).flat_map(|number| [number, number]).map(|number| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for n in 0..20 {
                store.finish(vec![result(n, number)], deadline()).await.unwrap();
            }
        })
    });
    for worker in workers.collect::<Vec<_>>() {
        worker.await.unwrap();
    }
    for n in 0..20 {
        let done = get(&*store, n).await.unwrap();
        assert_eq!((done.written, done.skipped), (54, 6));
        assert!(done.finished_at_ms.is_some());
    }
}

pub async fn what_is_unknown_is_not_finished(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    open(&*store, &[1]).await;
    assert_eq!(
        store
            .finish(vec![result(1, 7), result(5, 0)], deadline())
            .await
            .unwrap(),
        []
    );
    assert_eq!(numbers_pending(&*store, 1).await, [0, 1, 2]);
    assert_eq!(get(&*store, 5).await, None);
}

pub async fn only_what_was_finished_before_is_pruned(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store
        .record(vec![record(1), record(2), record(3)], deadline())
        .await
        .unwrap();
    open(&*store, &[4, 5]).await;
    store
        .finish((0..3).map(|number| result(4, number)).collect(), deadline())
        .await
        .unwrap();
    assert_eq!(
        store.prune(250, 100, deadline()).await.unwrap(),
        1,
        "250 is when the second was finished"
    );
    assert_eq!(get(&*store, 1).await, None);
    assert_eq!(get(&*store, 2).await, Some(record(2)));
    assert_eq!(store.prune(u64::MAX >> 1, 100, deadline()).await.unwrap(), 3);
    assert_eq!(store.prune(u64::MAX >> 1, 100, deadline()).await.unwrap(), 0);
    assert_eq!(
        numbers_pending(&*store, 5).await,
        [0, 1, 2],
        "what is pending stays, however old"
    );
}

pub async fn pruning_is_bounded(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.record((0..10).map(record).collect(), deadline()).await.unwrap();
    assert_eq!(store.prune(10_000, 4, deadline()).await.unwrap(), 4);
    assert_eq!(store.prune(10_000, 0, deadline()).await.unwrap(), 0);
    assert_eq!(store.prune(10_000, 100, deadline()).await.unwrap(), 6);
}

pub async fn a_store_that_is_opened_again_goes_on(backend: impl DeliveryBackend) {
    let store = backend.open().await;
    store.record(vec![record(1)], deadline()).await.unwrap();
    open(&*store, &[2]).await;
    store.finish(vec![result(2, 1)], deadline()).await.unwrap();
    drop(store);
    let store = backend.open().await;
    assert_eq!(get(&*store, 1).await, Some(record(1)));
    assert_eq!(numbers_pending(&*store, 2).await, [0, 2]);
    let finished = store
        .finish(vec![result(2, 0), result(2, 2)], deadline())
        .await
        .unwrap();
    assert_eq!(finished, [tweet(2)]);
}

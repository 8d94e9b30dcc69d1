//! The contract of `TimelineStore`.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{ActorVersion, BuildId, Coverage, TweetId, UserId};
use storage::{BuildTicket, Built, PushBatch, TimelineSlice, TimelineStore, WalkPlace};

use crate::support::deadline;

pub use history::random_histories_agree_with_a_plain_model;

#[path = "timeline_history.rs"]
mod history;

/// An adapter whose timelines may vanish.
pub trait TimelineBackend {
    /// A store without timelines, which keeps `window` entries of each. It may keep some more.
    fn fresh(&self, window: usize) -> impl Future<Output = Arc<dyn TimelineStore>>;
}

/// Runs the contract of `TimelineStore` against an adapter. `$make` is an async function that answers a
/// [`TimelineBackend`](crate::TimelineBackend).
#[macro_export]
macro_rules! timeline_store_contract {
    ($make:path) => {
        $crate::contract! { $make, timeline:
            trap_14_a_push_makes_no_timeline,
            a_push_answers_for_each_follower_in_order,
            pushing_twice_changes_nothing,
            trap_15_a_late_arrival_goes_where_it_belongs,
            below_the_coverage_nothing_is_inserted,
            beyond_the_window_the_oldest_go_and_the_coverage_rises,
            trap_08_what_was_trimmed_does_not_come_back,
            pages_go_down_by_id,
            trap_10_a_build_covers_nothing_and_collects,
            trap_11_an_empty_build_is_a_built_timeline,
            an_install_keeps_the_newest,
            a_rebuild_drops_what_was_wrong,
            a_rebuilt_timeline_serves_until_the_install,
            what_a_build_could_not_collect_raises_its_coverage,
            a_superseded_build_is_not_installed,
            a_build_is_installed_once,
            a_vanished_timeline_takes_no_install,
            a_backfill_merges_and_raises_the_version,
            a_backfill_of_another_version_is_refused,
            a_backfill_needs_a_built_timeline,
            a_backfill_for_a_timeline_that_was_built_anew_is_refused,
            a_backfill_keeps_to_the_window_and_the_coverage,
            ids_need_not_be_dense,
            an_inspection_shows_the_whole_timeline,
            a_sample_finds_those_who_have_a_built_timeline,
            samples_differ,
            a_walk_meets_everybody_who_stays,
            stats_count_timelines_and_entries,
            pushes_that_race_with_installs_are_kept,
            trap_21_trimming_races_with_inserting,
            random_histories_agree_with_a_plain_model,
        }
    };
}

const READER: UserId = UserId::new(5);
const ABSENT: UserId = UserId::new(6);

fn tweets(ids: &[u64]) -> Vec<TweetId> {
    ids.iter().copied().map(TweetId::new).collect()
}

fn coverage(complete_from: u64, holds: u64) -> Coverage {
    Coverage {
        complete_from: TweetId::new(complete_from),
        holds: ActorVersion(holds),
    }
}

fn built(ids: &[u64], complete_from: u64, holds: u64) -> Built {
    Built {
        ids: tweets(ids),
        coverage: coverage(complete_from, holds),
    }
}

async fn push(store: &dyn TimelineStore, user: UserId, ids: &[u64]) -> bool {
    let batch = PushBatch::group(&mut ids.iter().map(|id| (user, TweetId::new(*id))).collect());
    store.push(&batch, deadline()).await.unwrap()[0]
}

async fn read(store: &dyn TimelineStore, user: UserId) -> Option<TimelineSlice> {
    store.read(user, TweetId::MAX, 1_000, deadline()).await.unwrap().slice
}

/// What is stored, oldest first, and from where on it is complete.
async fn stored(store: &dyn TimelineStore, user: UserId) -> (Vec<u64>, u64) {
    let slice = read(store, user).await.expect("a built timeline");
    let ids = slice.ids.iter().rev().map(|id| id.get()).collect();
    (ids, slice.coverage.complete_from.get())
}

async fn begin(store: &dyn TimelineStore, user: UserId) -> BuildTicket {
    store.begin_build(user, deadline()).await.unwrap()
}

async fn install(store: &dyn TimelineStore, ticket: BuildTicket, built: Built) -> bool {
    store.install(ticket, built, deadline()).await.unwrap()
}

async fn build(store: &dyn TimelineStore, user: UserId, ids: &[u64], complete_from: u64) {
    let ticket = begin(store, user).await;
    assert!(install(store, ticket, built(ids, complete_from, 1)).await);
}

async fn backfill(store: &dyn TimelineStore, ids: &[u64], held: u64, holds: u64) -> bool {
    backfill_for(store, ids, coverage(0, held), holds).await
}

async fn backfill_for(store: &dyn TimelineStore, ids: &[u64], gathered_for: Coverage, holds: u64) -> bool {
    store
        .backfill(READER, &tweets(ids), gathered_for, ActorVersion(holds), deadline())
        .await
        .unwrap()
}

/// A timeline that does not exist is not made by a push.
pub async fn trap_14_a_push_makes_no_timeline(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    assert!(!push(store, READER, &[1, 2]).await);
    assert_eq!(read(store, READER).await, None);
    assert_eq!(store.stats().await.unwrap().timelines, 0);
}

/// One answer for each follower of the batch.
pub async fn a_push_answers_for_each_follower_in_order(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    let user = |n: u64| UserId::new(n * 1_000 + 1);
    for n in [1, 3] {
        build(store, user(n), &[], 0).await;
    }
    let pairs = (0..5).flat_map(|n| [(user(n), TweetId::new(7)), (user(n), TweetId::new(8))]);
    let batch = PushBatch::group(&mut pairs.collect());
    let answers = store.push(&batch, deadline()).await.unwrap();
    assert_eq!(answers, [false, true, false, true, false]);
    assert_eq!(stored(store, user(3)).await.0, [7, 8]);
}

/// A redelivery changes nothing.
pub async fn pushing_twice_changes_nothing(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[], 0).await;
    for _ in 0..2 {
        assert!(push(store, READER, &[1, 2, 3]).await);
    }
    assert_eq!(stored(store, READER).await, (vec![1, 2, 3], 0));
}

/// An old id is never at the head.
pub async fn trap_15_a_late_arrival_goes_where_it_belongs(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[], 0).await;
    push(store, READER, &[5, 9]).await;
    push(store, READER, &[7]).await;
    push(store, READER, &[3]).await;
    assert_eq!(stored(store, READER).await, (vec![3, 5, 7, 9], 0));
}

/// It would pass for complete.
pub async fn below_the_coverage_nothing_is_inserted(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[20], 15).await;
    assert!(push(store, READER, &[14]).await, "the timeline exists all the same");
    push(store, READER, &[15]).await;
    assert_eq!(stored(store, READER).await, (vec![15, 20], 15));
}

/// A timeline keeps its newest, and knows that it does. A store may keep some more than the window.
pub async fn beyond_the_window_the_oldest_go_and_the_coverage_rises(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[], 0).await;
    for id in 1..=500 {
        push(store, READER, &[id]).await;
    }
    let (ids, complete_from) = stored(store, READER).await;
    let expected: Vec<u64> = (complete_from..=500).collect();
    assert_eq!(ids, expected, "complete from the mark on");
    assert!((10..500).contains(&ids.len()), "{}", ids.len());
}

/// Not by a redelivery, at the head or anywhere else.
pub async fn trap_08_what_was_trimmed_does_not_come_back(backend: impl TimelineBackend) {
    let store = &*backend.fresh(5).await;
    build(store, READER, &[], 0).await;
    push(store, READER, &(1..=400).collect::<Vec<_>>()).await;
    let before = stored(store, READER).await;
    push(store, READER, &[1, 2, 100]).await;
    assert_eq!(stored(store, READER).await, before);
}

/// By position, not by offset.
pub async fn pages_go_down_by_id(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[2, 4, 6, 8], 0).await;
    let page = async |below: u64, limit| {
        let slice = store
            .read(READER, TweetId::new(below), limit, deadline())
            .await
            .unwrap()
            .slice
            .unwrap();
        (slice.ids.iter().map(|id| id.get()).collect::<Vec<_>>(), slice.more)
    };
    assert_eq!(page(100, 2).await, (vec![8, 6], true));
    assert_eq!(page(6, 2).await, (vec![4, 2], false));
    assert_eq!(page(5, 1).await, (vec![4], true));
    assert_eq!(page(2, 1).await, (vec![], false));
}

/// Live writes have somewhere to go before the scan starts.
pub async fn trap_10_a_build_covers_nothing_and_collects(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    let ticket = begin(store, READER).await;
    assert!(push(store, READER, &[7]).await, "it exists");
    assert_eq!(read(store, READER).await, None, "and says nothing");
    assert!(!push(store, ABSENT, &[7]).await);
    assert!(install(store, ticket, built(&[3, 5], 2, 4)).await);
    assert_eq!(stored(store, READER).await, (vec![3, 5, 7], 2));
    assert_eq!(read(store, READER).await.unwrap().coverage.holds, ActorVersion(4));
}

/// Otherwise such users are rebuilt on every read.
pub async fn trap_11_an_empty_build_is_a_built_timeline(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[], 0).await;
    let slice = read(store, READER).await.unwrap();
    assert_eq!(
        (slice.ids.len(), slice.more, slice.coverage),
        (0, false, coverage(0, 1))
    );
}

/// In any order, with repetitions, and more than fit.
pub async fn an_install_keeps_the_newest(backend: impl TimelineBackend) {
    let store = &*backend.fresh(4).await;
    let mut ids: Vec<u64> = (1..=200).rev().collect();
    ids.extend([200, 3]);
    build(store, READER, &ids, 0).await;
    let (ids, complete_from) = stored(store, READER).await;
    assert_eq!(ids, (complete_from..=200).collect::<Vec<_>>());
    assert!((4..200).contains(&ids.len()));
}

/// What the scan did not find and nobody pushed since is gone.
pub async fn a_rebuild_drops_what_was_wrong(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[1, 2, 3], 0).await;
    let ticket = begin(store, READER).await;
    push(store, READER, &[9]).await;
    assert!(install(store, ticket, built(&[2], 1, 2)).await);
    assert_eq!(stored(store, READER).await, (vec![2, 9], 1));
}

/// Readers go on while it is rebuilt.
pub async fn a_rebuilt_timeline_serves_until_the_install(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[1], 0).await;
    begin(store, READER).await;
    push(store, READER, &[2]).await;
    assert_eq!(stored(store, READER).await, (vec![1, 2], 0));
}

/// A build that takes so long that pushes overflow must not claim what it dropped.
pub async fn what_a_build_could_not_collect_raises_its_coverage(backend: impl TimelineBackend) {
    let store = &*backend.fresh(4).await;
    let ticket = begin(store, READER).await;
    for id in 101..=400 {
        push(store, READER, &[id]).await;
    }
    assert!(install(store, ticket, built(&[50, 60], 0, 1)).await);
    let (ids, complete_from) = stored(store, READER).await;
    assert_eq!(ids, (complete_from..=400).collect::<Vec<_>>());
    assert!(ids.len() >= 4);
}

/// Only the last build is installed.
pub async fn a_superseded_build_is_not_installed(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    let first = begin(store, READER).await;
    let second = begin(store, READER).await;
    assert_ne!(first.build, second.build);
    assert!(!install(store, first, built(&[1], 0, 1)).await);
    assert_eq!(read(store, READER).await, None);
    assert!(install(store, second, built(&[2], 0, 1)).await);
    assert!(!install(store, first, built(&[1], 0, 1)).await);
    assert_eq!(stored(store, READER).await.0, [2]);
}

/// A ticket is used up.
pub async fn a_build_is_installed_once(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    let ticket = begin(store, READER).await;
    assert!(install(store, ticket, built(&[1], 0, 1)).await);
    assert!(!install(store, ticket, built(&[2], 0, 1)).await);
    assert_eq!(stored(store, READER).await.0, [1]);
}

/// What was pushed in between is lost with it.
pub async fn a_vanished_timeline_takes_no_install(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    let ticket = begin(store, READER).await;
    store.remove(&[READER, ABSENT], deadline()).await.unwrap();
    assert!(!push(store, READER, &[1]).await);
    assert!(!install(store, ticket, built(&[2], 0, 1)).await);
    let foreign = BuildTicket {
        build: BuildId(u64::MAX >> 1),
        user: ABSENT,
    };
    assert!(!install(store, foreign, built(&[2], 0, 1)).await);
    assert_eq!(read(store, READER).await, None);
}

/// A follow brings the followee's tweets.
pub async fn a_backfill_merges_and_raises_the_version(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[2, 6], 0).await;
    assert!(backfill(store, &[8, 4, 6, 4], 1, 3).await);
    assert_eq!(stored(store, READER).await, (vec![2, 4, 6, 8], 0));
    assert_eq!(read(store, READER).await.unwrap().coverage.holds, ActorVersion(3));
}

/// Older work does not undo newer.
pub async fn a_backfill_of_another_version_is_refused(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[2], 0).await;
    assert!(backfill(store, &[], 1, 3).await);
    assert!(!backfill(store, &[4], 1, 2).await);
    assert!(!backfill(store, &[4], 2, 4).await);
    assert_eq!(stored(store, READER).await, (vec![2], 0));
    assert_eq!(read(store, READER).await.unwrap().coverage.holds, ActorVersion(3));
}

/// There is nothing to add to.
pub async fn a_backfill_needs_a_built_timeline(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    assert!(!backfill(store, &[4], 0, 1).await);
    begin(store, READER).await;
    assert!(!backfill(store, &[4], 0, 1).await);
    assert_eq!(read(store, READER).await, None);
}

/// A timeline that reaches further down than when the tweets were gathered would claim to have what was not looked for. One
/// that was trimmed since has no more than it needs.
pub async fn a_backfill_for_a_timeline_that_was_built_anew_is_refused(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[60], 50).await;
    let gathered_for = read(store, READER).await.unwrap().coverage;
    build(store, READER, &[30, 60], 20).await;
    assert!(!backfill_for(store, &[55], gathered_for, 2).await);
    assert_eq!(stored(store, READER).await, (vec![30, 60], 20));
    assert_eq!(read(store, READER).await.unwrap().coverage.holds, ActorVersion(1));

    build(store, READER, &[80], 70).await;
    assert!(backfill_for(store, &[55, 75], gathered_for, 2).await);
    assert_eq!(stored(store, READER).await, (vec![75, 80], 70));
}

/// It neither reaches below what is complete nor grows the timeline beyond its window.
pub async fn a_backfill_keeps_to_the_window_and_the_coverage(backend: impl TimelineBackend) {
    let store = &*backend.fresh(4).await;
    build(store, READER, &[400], 100).await;
    let ids: Vec<u64> = (50..400).collect();
    assert!(backfill(store, &ids, 1, 2).await);
    let (ids, complete_from) = stored(store, READER).await;
    assert!(complete_from >= 100);
    assert_eq!(ids, (complete_from..=400).collect::<Vec<_>>());
    assert!((4..300).contains(&ids.len()));
}

/// Dense numbers are an assumption of speed, not of truth.
pub async fn ids_need_not_be_dense(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    let users = [1, 255, 256, 1 << 20, 1 << 40, i64::MAX.unsigned_abs()].map(UserId::new);
    for user in users {
        build(store, user, &[user.get() / 2 + 1], 0).await;
    }
    for user in users {
        assert_eq!(stored(store, user).await.0, [user.get() / 2 + 1]);
    }
}

/// However long it is.
pub async fn an_inspection_shows_the_whole_timeline(backend: impl TimelineBackend) {
    let store = &*backend.fresh(400).await;
    assert_eq!(store.inspect(READER, deadline()).await.unwrap(), None);
    let ticket = begin(store, READER).await;
    assert_eq!(store.inspect(READER, deadline()).await.unwrap(), None, "not built");
    assert!(install(store, ticket, built(&(100..=450).collect::<Vec<_>>(), 50, 3)).await);
    let slice = store.inspect(READER, deadline()).await.unwrap().unwrap();
    assert_eq!(slice.ids, tweets(&(100..=450).rev().collect::<Vec<_>>()));
    assert_eq!((slice.more, slice.coverage), (false, coverage(50, 3)));
}

/// Built ones for each of these.
async fn build_for(store: &dyn TimelineStore, users: impl Iterator<Item = u64>) {
    for user in users {
        build(store, UserId::new(user), &[user], 0).await;
    }
}

async fn sample(store: &dyn TimelineStore, limit: usize) -> Vec<u64> {
    let users = store.sample(limit, deadline()).await.unwrap();
    users.into_iter().map(UserId::get).collect()
}

/// All of them where there are no more than were asked for, and nobody else.
pub async fn a_sample_finds_those_who_have_a_built_timeline(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    assert_eq!(sample(store, 5).await, []);
    let users = || (1..=30).map(|n| n * n * 31);
    build_for(store, users()).await;
    begin(store, READER).await;
    for limit in [0, 1, 7, 30, 1_000] {
        let found = sample(store, limit).await;
        let distinct: BTreeSet<u64> = found.iter().copied().collect();
        assert_eq!((found.len(), distinct.len()), (limit.min(30), limit.min(30)));
        assert!(distinct.is_subset(&users().collect()), "{distinct:?}");
    }
}

/// Nobody is looked at for ever while others never are: each of a hundred is as likely as the others, so that in so many
/// samples one is left out once in 10^13 times.
pub async fn samples_differ(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build_for(store, 1..=100).await;
    let mut left: BTreeSet<u64> = (1..=100).collect();
    for _ in 0..3_500 {
        for user in sample(store, 1).await {
            left.remove(&user);
        }
        if left.is_empty() {
            return;
        }
    }
    panic!("{left:?} are never looked at");
}

/// Also while timelines come and go.
pub async fn a_walk_meets_everybody_who_stays(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build_for(store, 1..=600).await;
    begin(store, UserId::new(10_000)).await;
    let (mut met, mut from, mut pages) = (BTreeSet::new(), WalkPlace::default(), 0);
    loop {
        let page = store.walk(from, 100, deadline()).await.unwrap();
        met.extend(page.users.into_iter().map(UserId::get));
        let Some(next) = page.next else { break };
        (from, pages) = (next, pages + 1);
        build_for(store, 1_000 * pages..1_000 * pages + 20).await;
        store.remove(&[UserId::new(pages)], deadline()).await.unwrap();
    }
    let stayed = || (pages + 1)..=600;
    assert!(stayed().all(|user| met.contains(&user)));
    assert!(!met.contains(&10_000), "a timeline that is not built is none");
}

/// Without walking everything.
pub async fn stats_count_timelines_and_entries(backend: impl TimelineBackend) {
    let store = &*backend.fresh(10).await;
    build(store, READER, &[1, 2], 0).await;
    begin(store, ABSENT).await;
    push(store, ABSENT, &[3]).await;
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.timelines, stats.entries), (2, 3));
    assert!(stats.bytes > 0);
    store.remove(&[READER, ABSENT], deadline()).await.unwrap();
    let stats = store.stats().await.unwrap();
    assert_eq!((stats.timelines, stats.entries), (0, 0));
}

/// Every id is either found by the scan, since it was pushed before the build began, or collected: a rebuild in the
/// middle of live fan-out loses nothing.
pub async fn pushes_that_race_with_installs_are_kept(backend: impl TimelineBackend) {
    const ROUNDS: u64 = 60;
    let store = &*backend.fresh(10_000).await;
    let accepted = AtomicU64::new(0);
    let pusher = async {
        for id in 1..=ROUNDS * 5 {
            accepted.store(id, Ordering::SeqCst);
            push(store, READER, &[id]).await;
            tokio::task::yield_now().await;
        }
    };
    let rebuilder = async {
        for _ in 0..ROUNDS {
            let ticket = begin(store, READER).await;
            let seen = accepted.load(Ordering::SeqCst);
            tokio::task::yield_now().await;
            assert!(install(store, ticket, built(&(1..=seen).collect::<Vec<_>>(), 0, 1)).await);
        }
    };
    tokio::join!(pusher, rebuilder);
    assert_eq!(stored(store, READER).await, ((1..=ROUNDS * 5).collect(), 0));
}

/// Several workers push newer and older ids while the timeline is trimmed all the time: whatever came first, what is stored
/// is complete from the mark on, and the newest are there.
pub async fn trap_21_trimming_races_with_inserting(backend: impl TimelineBackend) {
    const WORKERS: u64 = 4;
    const LAST: u64 = 1_200;
    let store = &*backend.fresh(8).await;
    build(store, READER, &[], 0).await;
    // Each has every fourth id; the later ones come in pairs whose older half is late.
    let worker = async |worker: u64| {
        let ids: Vec<u64> = (1..=LAST).filter(|id| id % WORKERS == worker).collect();
        for pair in ids.chunks(2) {
            for id in pair.iter().rev() {
                push(store, READER, &[*id]).await;
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(worker(0), worker(1), worker(2), worker(3));
    let (ids, complete_from) = stored(store, READER).await;
    assert_eq!(ids, (complete_from..=LAST).collect::<Vec<_>>());
    assert!((8..1_000).contains(&ids.len()), "{}", ids.len());
}

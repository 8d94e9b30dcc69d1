//! Traps 10 to 14: how a timeline that is not there comes about again.

use std::time::Duration;

use model::{Coverage, Phase, Strategy, TweetId};
use storage::Built;
use test_support::PageQuery;

use crate::steps::Step;
use crate::world::{Account, Options, World, deadline, until};

const STALENESS: Duration = Duration::from_secs(1);

/// Guard: `Slot::push` in `libs/storage-memory/src/timelines/slot.rs` writes into a build that is under way, which
/// `Worker::build` has begun before its scan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_10_a_rebuild_races_with_live_fan_out() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    let found = world.post(&ada).await;
    world.delivered(&[found]).await;
    world.steps.hold(Step::Install);
    assert_eq!(world.home(&reader).await, [found]);
    world.steps.reached(Step::Install, 1).await;
    let live = world.post(&ada).await;
    world.delivered(&[live]).await;
    assert_eq!(world.record(live).await.unwrap().written, 1, "it has somewhere to go");
    assert_eq!(world.home(&reader).await, [live, found]);
    world.steps.release(Step::Install);
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, [live, found]);
    assert_eq!(world.home(&reader).await, [live, found]);
}

/// A worker goes by a list of followers that does not have the reader yet, while its timeline is built.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_10_a_rebuild_waits_out_what_workers_believe() {
    let world = World::with(Options {
        max_staleness: STALENESS,
        ..Options::of(Strategy::Push)
    })
    .await;
    let [ada, reader] = world.accounts().await;
    world.known_to_workers.keep_the_followers(ada.id, deadline()).await;
    world.follow(&reader, &ada).await;
    assert!(world.home(&reader).await.is_empty());
    // A build that doesn't wait is done by now.
    let hasty = until("a build is done", async || world.steps.passed(Step::Install) > 0);
    let _ = tokio::time::timeout(STALENESS / 4, hasty).await;
    let tweet = world.post(&ada).await;
    world.delivered(&[tweet]).await;
    assert_eq!(world.home(&reader).await, [tweet]);
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, [tweet]);
    assert_eq!(world.home(&reader).await, [tweet]);
}

/// Guard: `Slot::backfill` in `libs/storage-memory/src/timelines/slot.rs` takes nothing that was gathered for a timeline that
/// did not reach as far down.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_10_a_backfill_races_with_a_rebuild() {
    let world = World::with(Options {
        window: 3,
        ..Options::of(Strategy::Push)
    })
    .await;
    let [ada, bob, reader] = world.accounts().await;
    let old = world.post(&bob).await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    let posted = world.posts(&ada, 5).await;
    world.delivered(&posted).await;
    let before = world.slice(&reader).await.unwrap().coverage;
    assert!(before.complete_from > old);

    // Another process begins to build it anew. Since the newest are deleted, it will reach down to the beginning.
    world.delete(&ada, posted[4]).await;
    world.delete(&ada, posted[3]).await;
    let elsewhere = world.timelines_elsewhere();
    let ticket = elsewhere.begin_build(reader.id, deadline()).await.unwrap();
    let built = Built {
        ids: posted[..3].to_vec(),
        coverage: Coverage {
            complete_from: TweetId::MIN,
            holds: before.holds,
        },
    };
    world.steps.hold(Step::Backfill);
    world.follow(&reader, &bob).await;
    let expected = [posted[2], posted[1], posted[0], old];
    assert_eq!(world.home(&reader).await, expected);
    world.steps.reached(Step::Backfill, 1).await;
    assert!(elsewhere.install(ticket, built, deadline()).await.unwrap());
    world.steps.release(Step::Backfill);
    world.built(&reader).await;
    assert_eq!(world.home_by(&reader, 2).await, expected);
}

/// Guard: `Slot::install` in `libs/storage-memory/src/timelines/slot.rs` sets `built`, whatever was found.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_11_an_empty_rebuild_is_a_built_timeline() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader, other] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.home(&reader).await;
    world.installed(&reader).await;
    for _ in 0..5 {
        assert!(world.home(&reader).await.is_empty());
    }
    // Builds are begun in the order in which they were asked for: this one comes after any of the reader's.
    world.home(&other).await;
    until("another build is begun", async || {
        world.timelines.written(other.id).builds == 1
    })
    .await;
    assert_eq!(world.timelines.written(reader.id).builds, 1);
    assert!(world.stored(&reader).await.is_empty());
}

/// Guard: `Worker::pushed` in `services/timeline-read/src/build.rs` leaves out what readers pull, as fan-out does.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_12_the_rebuilt_view_equals_the_live_view() {
    let world = World::with(Options {
        window: 6,
        ..Options::of(Strategy::Hybrid)
    })
    .await;
    let [small, huge, muted, reader, second, third] = world.accounts().await;
    for author in [&small, &huge, &muted] {
        world.follow(&reader, author).await;
    }
    for follower in [&second, &third] {
        world.follow(follower, &huge).await;
    }
    world.phase_becomes(&huge, Phase::Pulled).await;
    world.set_edge(model::EdgeKind::Mute, &reader, &muted, true).await;
    world.built(&reader).await;
    let mut posted = Vec::new();
    for _ in 0..4 {
        for author in [&small, &huge, &muted, &small, &huge] {
            posted.push(world.post(author).await);
        }
    }
    let original = posted[15];
    posted.push(world.reply(&small, Some(original)).await);
    world.delivered(&posted).await;
    let (live, stored) = (views(&world, &reader).await, world.stored(&reader).await);

    world.lose_timelines(&[&reader]).await;
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, stored, "the same entries, as deep");
    assert_eq!(views(&world, &reader).await, live);
    world.delete(&small, original).await;
    let without = views(&world, &reader).await;
    world.lose_timelines(&[&reader]).await;
    world.built(&reader).await;
    assert_eq!(views(&world, &reader).await, without);
}

/// Guard: `DeliveryState::left_to_readers` in `libs/model/src/delivery.rs` leaves nothing to readers while it is pushed as
/// well: the step that ends the pulling may have been decided, and end it below this tweet.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_12_a_rebuild_holds_what_is_pushed_though_readers_pull_it_too() {
    let world = World::with(Options {
        settle: Duration::from_hours(1),
        ..Options::of(Strategy::Hybrid)
    })
    .await;
    let [huge, reader, second, third] = world.accounts().await;
    for follower in [&reader, &second, &third] {
        world.follow(follower, &huge).await;
    }
    world.phase_becomes(&huge, Phase::Both).await;
    let tweet = world.post(&huge).await;
    world.delivered(&[tweet]).await;
    assert_eq!(world.record(tweet).await.unwrap().skipped, 3, "nobody has a timeline");
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, [tweet]);
    assert_eq!(world.home(&reader).await, [tweet]);
}

/// The home timeline by pages of all kinds of sizes.
async fn views(world: &World, reader: &Account) -> Vec<Vec<TweetId>> {
    let mut views = Vec::new();
    for page_size in [1, 2, 3, 5, 6, 7, 100] {
        views.push(world.home_by(reader, page_size).await);
    }
    views
}

/// Guards: `Builder::request` in `services/timeline-read/src/build.rs` takes a job only from who claims the reader first,
/// and `Worker::turn` lets only so many ask the stores.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_13_all_timelines_are_lost_and_everybody_reads() {
    let world = World::with(Options {
        builders: 2,
        ..Options::of(Strategy::Push)
    })
    .await;
    let ada = world.account("ada").await;
    let readers: [Account; 12] = world.accounts().await;
    for reader in &readers {
        world.follow(reader, &ada).await;
    }
    let tweet = world.post(&ada).await;
    world.delivered(&[tweet]).await;
    world.steps.hold(Step::BeginBuild);
    for _ in 0..3 {
        for reader in &readers {
            let page = world.page(reader, &PageQuery::limit(10)).await;
            assert_eq!(page.tweets.len(), 1, "served from the tweet store, and whole");
        }
    }
    world.steps.reached(Step::BeginBuild, 2).await;
    assert_eq!(world.steps.waiting(Step::BeginBuild), 2, "no more at a time");
    world.steps.release(Step::BeginBuild);
    for reader in &readers {
        world.installed(reader).await;
    }
    for reader in &readers {
        assert_eq!(world.home(reader).await, [tweet]);
        assert_eq!(world.timelines.written(reader.id).builds, 1);
    }
}

/// Guard: `Slot::push` in `libs/storage-memory/src/timelines/slot.rs` writes only into what a build has made.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_14_a_first_push_does_not_make_a_timeline_complete() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader, neighbour] = world.accounts().await;
    // So that the reader's place is there, and empty.
    world.built(&neighbour).await;
    world.follow(&reader, &ada).await;
    let history = world.posts(&ada, 3).await;
    world.delivered(&history).await;
    assert_eq!(world.record(history[2]).await.unwrap().skipped, 1);
    assert_eq!(world.slice(&reader).await, None, "a push into nothing leaves nothing");

    world.steps.hold(Step::Install);
    let mut expected: Vec<_> = history.into_iter().rev().collect();
    assert_eq!(world.home(&reader).await, expected);
    world.steps.reached(Step::Install, 1).await;
    let live = world.post(&ada).await;
    world.delivered(&[live]).await;
    expected.insert(0, live);
    assert_eq!(world.slice(&reader).await, None, "nor does a push into a build");
    assert_eq!(world.home(&reader).await, expected);
    world.steps.release(Step::Install);
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, expected);
    assert_eq!(world.home(&reader).await, expected);
}

//! Traps 4 to 7: follows, unfollows and deletes race with fan-out and with what is built.

use std::time::Duration;

use model::{ActorVersion, Strategy};

use crate::steps::Step;
use crate::world::{Options, World, deadline, until};

/// Long enough that a worker goes by what it believes while a test does three things.
const STALENESS: Duration = Duration::from_secs(1);

/// Guard: `Worker::backfill` in `services/timeline-read/src/build.rs` sleeps for `max_staleness` between the follows and the
/// scan.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_a_follow_races_with_fan_out() {
    let world = World::with(Options {
        max_staleness: STALENESS,
        ..Options::of(Strategy::Push)
    })
    .await;
    let [ada, reader] = world.accounts().await;
    world.built(&reader).await;
    let before = world.post(&ada).await;
    world.delivered(&[before]).await;

    world.known_to_workers.keep_the_followers(ada.id, deadline()).await;
    world.follow(&reader, &ada).await;
    assert_eq!(world.home(&reader).await, [before], "its reader pulls a new follow");
    // A backfill that doesn't wait is done by now.
    let hasty = until("a backfill is done", async || world.steps.passed(Step::Backfill) > 0);
    let _ = tokio::time::timeout(STALENESS / 4, hasty).await;
    let after = world.post(&ada).await;
    world.delivered(&[after]).await;
    assert_eq!(world.home(&reader).await, [after, before]);
    world.built(&reader).await;
    assert_eq!(world.home(&reader).await, [after, before]);
    assert_eq!(world.stored(&reader).await, [after, before]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_04_fan_out_and_the_backfill_may_both_insert() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.built(&reader).await;
    world.follow(&reader, &ada).await;
    world.steps.hold(Step::Push);
    let tweet = world.post(&ada).await;
    world.steps.reached(Step::Push, 1).await;
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, [tweet], "the backfill is first");
    world.steps.release(Step::Push);
    world.delivered(&[tweet]).await;
    assert_eq!(world.timelines.written(reader.id).pushes, 1, "and then comes fan-out");
    assert_eq!(world.stored(&reader).await, [tweet]);
    assert_eq!(world.home(&reader).await, [tweet]);
}

/// Guard: `Scan::filtered` in `services/timeline-read/src/home.rs` keeps what `ReaderView::shows`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_05_an_unfollow_races_with_what_is_about_to_be_written() {
    let world = World::of(Strategy::Push).await;
    let [ada, bob, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    world.steps.hold(Step::Push);
    let tweet = world.post(&ada).await;
    world.steps.reached(Step::Push, 1).await;
    world.unfollow(&reader, &ada).await;
    world.steps.release(Step::Push);
    world.delivered(&[tweet]).await;
    assert_eq!(
        world.stored(&reader).await,
        [tweet],
        "it was written after the unfollow"
    );
    assert!(world.home(&reader).await.is_empty());

    world.follow(&reader, &bob).await;
    world.built(&reader).await;
    assert!(
        world.home(&reader).await.is_empty(),
        "nor does a backfill bring it back"
    );
    world.lose_timelines(&[&reader]).await;
    world.built(&reader).await;
    assert!(world.home(&reader).await.is_empty(), "or a rebuild");
}

/// Guard: `put` in `libs/storage-sqlite/src/graph/edges.rs` gives an edge that is made again its new version, so that the
/// older backfill does not count for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_06_follow_unfollow_follow_in_quick_succession() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.built(&reader).await;
    let before = world.post(&ada).await;
    world.delivered(&[before]).await;

    world.steps.hold(Step::Backfill);
    world.follow(&reader, &ada).await;
    assert_eq!(world.home(&reader).await, [before]);
    world.steps.reached(Step::Backfill, 1).await;
    world.unfollow(&reader, &ada).await;
    assert!(world.home(&reader).await.is_empty());
    let between = world.post(&ada).await;
    world.delivered(&[between]).await;
    world.follow(&reader, &ada).await;
    assert_eq!(world.home(&reader).await, [between, before]);

    // Now comes the backfill of the first follow, which knows nothing of what was posted in between.
    world.steps.release(Step::Backfill);
    until("the older backfill is done", async || {
        let slice = world.slice(&reader).await;
        slice.is_some_and(|slice| slice.coverage.holds > ActorVersion(0))
    })
    .await;
    assert_eq!(world.home(&reader).await, [between, before]);
    world.built(&reader).await;
    assert_eq!(world.stored(&reader).await, [between, before]);
    assert_eq!(world.home(&reader).await, [between, before]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_07_a_delete_races_with_fan_out_and_with_a_rebuild() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    world.steps.hold(Step::Push);
    let tweet = world.post(&ada).await;
    world.steps.reached(Step::Push, 1).await;
    world.delete(&ada, tweet).await;
    world.steps.release(Step::Push);
    world.delivered(&[tweet]).await;
    assert_eq!(
        world.stored(&reader).await,
        [tweet],
        "it was written after its deletion"
    );
    assert!(world.home(&reader).await.is_empty());

    let tweet = world.post(&ada).await;
    world.delivered(&[tweet]).await;
    world.lose_timelines(&[&reader]).await;
    world.steps.hold(Step::Install);
    assert_eq!(world.home(&reader).await, [tweet]);
    world.steps.reached(Step::Install, 1).await;
    world.delete(&ada, tweet).await;
    world.steps.release(Step::Install);
    world.installed(&reader).await;
    assert_eq!(world.stored(&reader).await, [tweet], "it was found before its deletion");
    assert!(world.home(&reader).await.is_empty());
}

/// Guard: `MemoryTweets::put` in `libs/storage-memory/src/tweets.rs` leaves out what was removed since it was looked up.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_07_a_delete_races_with_a_read_that_fills_the_cache() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    let tweet = world.post(&ada).await;
    world.delivered(&[tweet]).await;
    world.steps.hold(Step::LookedUp);
    let (_, ()) = tokio::join!(world.home(&reader), async {
        world.steps.reached(Step::LookedUp, 1).await;
        world.delete(&ada, tweet).await;
        world.steps.release(Step::LookedUp);
    });
    assert!(world.home(&reader).await.is_empty());
}

//! Traps 8, 9, 15 and 23: what fan-out writes, how often, and where it goes.

use model::Strategy;
use test_support::PageQuery;

use crate::steps::Step;
use crate::world::{Account, Options, World, until};

/// Posts a tweet, and ends the worker between the write and its record.
async fn post_and_crash(world: &World, author: &Account) -> model::TweetId {
    world.steps.hold(Step::Pushed);
    let tweet = world.post(author).await;
    world.steps.reached(Step::Pushed, 1).await;
    world.kill_worker().await;
    world.steps.release(Step::Pushed);
    tweet
}

/// Guard: `Entries::insert_late` in `libs/storage-memory/src/timelines/entries.rs` leaves out an id below the mark.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_08_what_was_trimmed_away_is_delivered_again() {
    let world = World::with(Options {
        window: 3,
        ..Options::of(Strategy::Push)
    })
    .await;
    let [ada, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    let first = post_and_crash(&world, &ada).await;
    world.start_worker(1);
    let mut expected = world.posts(&ada, 5).await;
    for tweet in &expected {
        world.finished(*tweet).await;
    }
    let before = world.slice(&reader).await;
    world.log.redeliver();
    world.delivered(&[first]).await;
    assert_eq!(world.slice(&reader).await, before);
    expected.insert(0, first);
    expected.reverse();
    assert_eq!(world.home_by(&reader, 2).await, expected);
}

/// The other half of it: what is there already is not inserted twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_08_what_is_stored_is_delivered_again() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    let first = post_and_crash(&world, &ada).await;
    world.start_worker(1);
    let second = world.post(&ada).await;
    world.finished(second).await;
    world.log.redeliver();
    world.delivered(&[first]).await;
    assert_eq!(world.timelines.written(reader.id).pushes, 3);
    assert_eq!(world.stored(&reader).await, [second, first]);
    assert_eq!(world.home(&reader).await, [second, first]);
}

/// Guard: `deliver_chunk` in `services/fan-out/src/chunks.rs` goes on to `finish` only when `push` has succeeded.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_09_a_chunk_counts_as_done_only_when_it_is_written() {
    let world = World::with(Options {
        chunk: 2,
        ..Options::of(Strategy::Push)
    })
    .await;
    let ada = world.account("ada").await;
    let readers: [Account; 5] = world.accounts().await;
    for reader in &readers {
        world.follow(reader, &ada).await;
        world.built(reader).await;
    }
    world.timelines.refuse_pushes(true);
    let tweet = world.post(&ada).await;
    until("each chunk is tried", async || world.timelines.refused_pushes() >= 3).await;
    let record = world.record(tweet).await.unwrap();
    assert_eq!((record.written, record.skipped, record.finished_at_ms), (0, 0, None));
    assert!(!world.is_settled(tweet).await);

    world.timelines.refuse_pushes(false);
    world.delivered(&[tweet]).await;
    let record = world.record(tweet).await.unwrap();
    assert_eq!((record.expected, record.written, record.skipped), (5, 5, 0));
    for reader in &readers {
        assert_eq!(world.stored(reader).await, [tweet]);
        assert_eq!(world.home(reader).await, [tweet]);
    }
}

/// Guard: `Entries::insert` in `libs/storage-memory/src/timelines/entries.rs` appends only what is newer than the newest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_15_a_late_arrival_goes_where_its_id_belongs() {
    let world = World::with(Options {
        window: 3,
        ..Options::of(Strategy::Push)
    })
    .await;
    let [slow, fast, reader] = world.accounts().await;
    world.follow(&reader, &slow).await;
    world.follow(&reader, &fast).await;
    world.built(&reader).await;
    let mark = world.page(&reader, &PageQuery::limit(1)).await.newest_cursor;
    world.gate.hold(&[slow.id]);
    let late = world.post(&slow).await;
    let first = world.posts(&fast, 2).await;
    world.finished(first[1]).await;
    let (shown, next) = world.poll(&reader, &mark).await;
    assert_eq!(shown, [first[1], first[0]]);
    world.gate.hold(&[]);
    world.delivered(&[late]).await;
    assert_eq!(world.stored(&reader).await, [first[1], first[0], late]);
    assert_eq!(world.home(&reader).await, [first[1], first[0], late]);
    assert_eq!(
        world.poll(&reader, &next).await.0,
        [late],
        "a poll misses it no more than a read"
    );
    assert_eq!(world.poll(&reader, &mark).await.0, [first[1], first[0], late]);

    // Older than the window when it comes: not in at all.
    world.gate.hold(&[slow.id]);
    let older = world.post(&slow).await;
    let newer = world.posts(&fast, 4).await;
    world.finished(newer[3]).await;
    let before = world.slice(&reader).await;
    world.gate.hold(&[]);
    world.delivered(&[older]).await;
    assert_eq!(world.slice(&reader).await, before);
    let expected = [newer[3], newer[2], newer[1], newer[0], older, first[1], first[0], late];
    assert_eq!(world.home_by(&reader, 2).await, expected);
}

/// However many post at the same time, one reader's timeline is written once for all that are waiting.
///
/// Guard: `push` in `services/fan-out/src/worker.rs` writes when the batch is full, and not before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_23_a_timeline_that_many_write_to_at_once_is_written_once() {
    let world = World::of(Strategy::Push).await;
    let [reader, other] = world.accounts().await;
    let mut authors = Vec::new();
    for number in 0..30 {
        let author = world.account(&format!("author{number}")).await;
        world.follow(&reader, &author).await;
        authors.push(author);
    }
    world.built(&reader).await;
    let held: Vec<_> = authors.iter().map(|author| author.id).collect();
    world.gate.hold(&held);
    let mut posted = Vec::new();
    for author in &authors {
        posted.insert(0, world.post(author).await);
    }
    let last = world.post(&other).await;
    world.finished(last).await;
    world.gate.hold(&[]);
    world.delivered(&posted).await;
    assert_eq!(world.timelines.written(reader.id).pushes, 1);
    assert_eq!(world.stored(&reader).await, posted);
    assert_eq!(world.home(&reader).await, posted);
}

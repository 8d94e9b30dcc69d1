//! Chunks of a huge author are jobs of all processes, and small authors don't wait behind them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "chunks/books.rs"]
mod books;
#[path = "chunks/traces.rs"]
mod traces;
#[path = "chunks/world.rs"]
mod world;

use model::UserId;

use crate::world::{CHUNK, CHUNKS, FOLLOWERS, HUGE, PAGE, SMALL, World, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_author_is_delivered_while_a_huge_one_is_in_progress() {
    let world = World::new().await;
    let process = world.process();
    let huge = world.post(HUGE).await;
    process.gate.wait_for(process.workers()).await;
    let small = world.post(SMALL).await;
    until(async || world.is_finished(small).await).await;
    assert!(!world.is_finished(huge).await);
    process.gate.open();
    world.settled().await;
    world.assert_delivered(&[small, huge]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_the_chunks_of_a_tweet() {
    let world = World::new().await;
    let (one, other) = (world.process(), world.process());
    let huge = world.post(HUGE).await;
    // Whoever took the event: both work on its chunks.
    one.gate.wait_for(one.workers()).await;
    other.gate.wait_for(other.workers()).await;
    one.gate.open();
    other.gate.open();
    world.settled().await;
    world.assert_delivered(&[huge]).await;
    assert_eq!(one.gate.passed() + other.gate.passed(), CHUNKS, "each chunk once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn chunks_of_a_dead_process_are_done_by_others() {
    let world = World::new().await;
    let dead = world.process();
    let huge = world.post(HUGE).await;
    dead.gate.wait_for(dead.workers()).await;
    // With the event, its plan and two chunks in its hands.
    dead.kill().await;
    let survivor = world.process();
    survivor.gate.open();
    until(async || world.is_finished(huge).await).await;
    world.assert_delivered(&[huge]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_drains_leaves_what_takes_too_long_to_others() {
    let world = World::new().await;
    let drained = world.process();
    let huge = world.post(HUGE).await;
    drained.gate.wait_for(drained.workers()).await;
    drained.drain().await;
    let other = world.process();
    other.gate.open();
    until(async || world.is_finished(huge).await).await;
    world.assert_delivered(&[huge]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_fails_half_way_holds_up_nobody_and_goes_on_there() {
    let world = World::new().await;
    let process = world.process();
    process.gate.open();
    process.gate.plan_pages(2);
    let huge = world.post(HUGE).await;
    until(async || world.written(huge).await == 2 * PAGE as u64 * CHUNK).await;
    let small = world.post(SMALL).await;
    until(async || world.is_finished(small).await).await;
    assert!(!world.is_finished(huge).await);

    process.kill().await;
    let other = world.process();
    other.gate.open();
    other.gate.plan_pages(CHUNKS.div_ceil(PAGE) - 2);
    until(async || world.is_finished(huge).await).await;
    assert_eq!(other.gate.passed(), CHUNKS - 2 * PAGE);
    world.assert_delivered(&[small, huge]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_always_fails_is_set_aside_alone_and_can_be_replayed() {
    let world = World::new().await;
    let process = world.process();
    process.gate.open();
    process.gate.break_at(Some(UserId::new(FOLLOWERS.start + CHUNK)));
    let huge = world.post(HUGE).await;
    until(async || world.aside().await.len() == 1 && world.written(huge).await == (CHUNKS as u64 - 1) * CHUNK).await;
    assert_eq!(world.aside().await[0].plan.number, 1);
    process.gate.break_at(None);
    world.replay().await;
    world.settled().await;
    world.assert_delivered(&[huge]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deletion_of_which_the_cache_did_not_hear_is_made_up_for() {
    let world = World::new().await;
    let tweet = world.post(SMALL).await;
    world.cache(tweet, SMALL).await;
    assert!(world.is_cached(tweet).await);
    world.delete_and_die(tweet, SMALL).await;
    let _process = world.process();
    world.settled().await;
    assert!(!world.is_cached(tweet).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_always_fails_holds_up_no_other() {
    let world = World::new().await;
    // One that is asked for without a follower to begin after: an author who is broken.
    let broken = UserId::new(SMALL.get() + 100);
    let process = world.process();
    process.gate.break_at(Some(UserId::new(broken.get() + 1)));
    let mut good = Vec::new();
    for _ in 0..10 {
        world.post(broken).await;
        good.push(world.post(SMALL).await);
    }
    until(async || {
        for tweet in &good {
            if !world.is_finished(*tweet).await {
                return false;
            }
        }
        true
    })
    .await;
    world.assert_delivered(&good).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_look_at_the_rules_is_made_up_for() {
    let world = World::new().await;
    let process = world.process();
    process.gate.pull_and_fail();
    let tweet = world.post(SMALL).await;
    until(async || world.timeline(UserId::new(FOLLOWERS.start)).await == [tweet]).await;
    world.settled().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_huge_author_who_is_pushed_at_the_second_look_holds_up_nobody() {
    let world = World::new().await;
    let process = world.process();
    process.gate.pull_once();
    let huge = world.post(HUGE).await;
    // Behind the first page.
    process.gate.wait_for(1).await;
    let small = world.post(SMALL).await;
    until(async || world.is_finished(small).await).await;
    assert_eq!(world.timeline(UserId::new(FOLLOWERS.end - 1)).await, []);
    process.gate.open();
    world.settled().await;
    for follower in FOLLOWERS {
        let timeline = world.timeline(UserId::new(follower)).await;
        assert!(timeline.contains(&huge), "of {follower}: {timeline:?}");
    }
}

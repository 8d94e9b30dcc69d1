//! What went in came out; and where it did not, the books say so, and which process it was.

use crate::world::{CHUNK, CHUNKS, FOLLOWERS, HUGE, Process, SMALL, World};

const ACCEPTED: &str = "rookery_books_tweets_total{figure=\"accepted\"}";
const DONE: &str = "rookery_books_tweets_total{figure=\"done\"}";
const TWEETS_DIFFER: &str = "rookery_books_difference_total{book=\"tweets\"}";
const DELIVERIES_DIFFER: &str = "rookery_books_difference_total{book=\"deliveries\"}";
const EXPECTED: &str = "rookery_books_deliveries_total{figure=\"expected\"}";
const WRITTEN: &str = "rookery_books_deliveries_total{figure=\"written\"}";
const UNFOLLOWED: &str = "rookery_books_deliveries_total{figure=\"unfollowed\"}";
const UNACCOUNTED: &str = "rookery_deliveries_unaccounted_total";

/// A process whose books have begun.
async fn process(world: &World) -> Process {
    let process = world.process();
    process.until_metric(ACCEPTED, 0).await;
    process
}

const ALL: u64 = FOLLOWERS.end - FOLLOWERS.start;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_in_came_out_whoever_did_it() {
    let world = World::new().await;
    let (one, other) = (process(&world).await, process(&world).await);
    let huge = world.post(HUGE).await;
    one.gate.wait_for(one.workers()).await;
    assert_eq!(one.metric(DONE), Some(0));
    one.gate.open();
    other.gate.open();
    let small = world.post(SMALL).await;
    for process in [&one, &other] {
        process.until_metric(ACCEPTED, 2).await;
        process.until_metric("rookery_backlog_deliveries", 0).await;
        let figures = [DONE, EXPECTED, WRITTEN, TWEETS_DIFFER, DELIVERIES_DIFFER].map(|name| process.metric(name));
        assert_eq!(figures, [2, ALL + 3, ALL + 3, 0, 0].map(Some));
        assert_eq!(process.metric(UNACCOUNTED), Some(0));
    }
    let by_process = [&one, &other].map(|process| process.metric("rookery_deliveries_expected_total").unwrap());
    assert_eq!(by_process.iter().sum::<u64>(), ALL + 3);
    world.assert_delivered(&[small, huge]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_has_left_since_the_plan_is_skipped_for_that() {
    let world = World::new().await;
    let process = process(&world).await;
    world.post(HUGE).await;
    process.gate.wait_for(process.workers()).await;
    process.gate.leave(FOLLOWERS.start + CHUNK);
    process.gate.leave(FOLLOWERS.end - 1);
    process.gate.open();
    process.until_metric(DONE, 1).await;
    let figures = [EXPECTED, WRITTEN, UNFOLLOWED, DELIVERIES_DIFFER].map(|name| process.metric(name));
    assert_eq!(figures, [ALL, ALL - 2, 2, 0].map(Some));
    assert_eq!(process.metric(UNACCOUNTED), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_loses_followers_is_told_from_one_that_does_not() {
    let world = World::new().await;
    let (good, bad) = (process(&world).await, process(&world).await);
    bad.gate.lose_followers();
    world.post(HUGE).await;
    good.gate.wait_for(good.workers()).await;
    bad.gate.wait_for(bad.workers()).await;
    good.gate.open();
    bad.gate.open();
    good.until_metric(DONE, 1).await;
    let lost = bad.metric(UNACCOUNTED).unwrap();
    assert!(lost >= 1, "it has lost one of each of its chunks");
    assert!(lost < CHUNKS as u64, "the other one has had some too");
    assert_eq!(good.metric(UNACCOUNTED), Some(0));
    assert_eq!(good.metric(DELIVERIES_DIFFER), Some(lost), "whoever is asked");
    assert_eq!(good.metric(WRITTEN), Some(ALL - lost));
    assert_eq!(good.metric(TWEETS_DIFFER), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tweet_that_is_acknowledged_and_not_delivered_is_missed() {
    let world = World::new().await;
    let before = process(&world).await;
    before.drain().await;
    world.post(SMALL).await;
    world.post(SMALL).await;
    world.acknowledge_only().await;
    let after = world.process();
    after.until_metric(ACCEPTED, 2).await;
    let figures = [DONE, TWEETS_DIFFER, DELIVERIES_DIFFER].map(|name| after.metric(name));
    assert_eq!(figures, [1, 1, 0].map(Some));
    world.post(SMALL).await;
    after.until_metric(DONE, 2).await;
    assert_eq!(after.metric(TWEETS_DIFFER), Some(1), "it is missed once");
}

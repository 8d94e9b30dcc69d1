//! Whatever Redis loses, whenever a process dies: everything that is committed is delivered.

use std::time::Duration;

use storage::EventLog;

use crate::world::{LONG, SHORT, World, places, positions, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_committed_and_never_published_is_found() {
    let Some(world) = World::start().await else { return };
    let lost = world.commits.commit_many(1_500);
    let process = world.sweeping().await;
    let received = world.drain(&process).await;
    assert_eq!(received, places(&lost));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn emptied_streams_lose_nothing() {
    let Some(world) = World::start().await else { return };
    let process = world.sweeping().await;
    let mut posted = world.post(&process, 400).await;
    let held = process.receive(150).await;
    let waiting = {
        let log = process.log.clone();
        tokio::spawn(async move { log.receive(10, LONG).await })
    };
    world.redis.ask::<String>("FLUSHALL", &[]).await;
    posted.extend(world.post(&process, 50).await);
    if let Ok(batch) = waiting.await.unwrap() {
        process.acknowledge(&batch).await;
    }
    process.acknowledge(&held).await;
    world.drain(&process).await;
    until("nothing is left in the streams", async || {
        process.log.receive(500, Duration::ZERO).await.unwrap().is_empty()
            && world.redis.entries(world.settings.partitions).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_empty_loses_nothing() {
    let Some(mut world) = World::start().await else { return };
    let process = world.sweeping().await;
    world.post(&process, 300).await;
    let held = process.receive(100).await;
    world.redis.kill();
    let unpublished = world.commits.commit_many(20);
    let error = process.log.publish(&unpublished).await.unwrap_err();
    assert!(error.is_transient());
    let error = process.log.receive(10, SHORT).await.unwrap_err();
    assert!(error.is_transient());
    process.acknowledge(&held).await;
    assert_eq!(world.commits.left().len(), 220, "what is done is done, Redis or not");
    world.redis.restart().await;
    let received = world.drain(&process).await;
    assert!(received.is_superset(&places(&unpublished)));
    assert!(received.is_disjoint(&positions(&held)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_comes_back_with_an_old_file_loses_nothing() {
    let Some(mut world) = World::start().await else { return };
    let process = world.sweeping().await;
    world.post(&process, 100).await;
    let done_before = process.receive(30).await;
    let held = process.receive(30).await;
    process.acknowledge(&done_before).await;
    world.redis.ask::<String>("SAVE", &[]).await;
    let done_after = process.receive(20).await;
    process.acknowledge(&done_after).await;
    let later = world.post(&process, 100).await;
    world.redis.kill();
    world.redis.restart().await;
    process.acknowledge(&held).await;
    let received = world.drain(&process).await;
    assert!(received.is_superset(&places(&later)));
    until("nothing is left in the streams", async || {
        let again = process.log.receive(500, Duration::ZERO).await.unwrap();
        process.acknowledge(&again).await;
        world.redis.entries(world.settings.partitions).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_backlog_is_not_published_in_circles() {
    let Some(world) = World::start().await else { return };
    let process = world.sweeping().await;
    let posted = world.post(&process, 3_000).await;
    let held = process.receive(200).await;
    tokio::time::sleep(world.settings.grace * 5).await;
    assert_eq!(process.log.counts().republished, 0);
    let lost = world.commits.commit_many(10);
    process.acknowledge(&held).await;
    let received = world.drain(&process).await;
    assert!(received.is_superset(&places(&lost)));
    assert_eq!(received.len(), posted.len() - held.len() + lost.len());
    assert_eq!(process.log.counts().republished, 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_told_from_what_takes_long() {
    let Some(world) = World::start().await else { return };
    let process = world.sweeping().await;
    let slow = world.commits.commit(1);
    process.log.publish(std::slice::from_ref(&slow)).await.unwrap();
    let held = process.receive(1).await;
    let lost = world.commits.commit(1);
    let received = process.receive(1).await;
    assert_eq!(received[0].event, lost);
    process.acknowledge(&received).await;
    tokio::time::sleep(world.settings.grace * 5).await;
    assert_eq!(process.log.counts().republished, 1);
    process.acknowledge(&held).await;
    assert_eq!(world.commits.left(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_process_sweeps_and_another_follows_it() {
    let Some(world) = World::start().await else { return };
    let (first, second) = (world.sweeping().await, world.sweeping().await);
    world.commits.commit_many(100);
    world.drain(&first).await;
    let republished = |of: &crate::world::Process| of.log.counts().republished;
    assert_eq!(republished(&first) + republished(&second), 100);
    let (leader, follower) = if republished(&first) > 0 {
        (first, second)
    } else {
        (second, first)
    };
    assert_eq!(republished(&follower), 0, "one at a time sweeps");
    drop(leader);
    world.commits.commit_many(100);
    world.drain(&follower).await;
    assert_eq!(republished(&follower), 100);
}

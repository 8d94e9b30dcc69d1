//! What is in the streams, and for how long.

use std::collections::BTreeSet;
use std::time::Duration;

use model::Epoch;
use storage::EventLog;

use crate::world::{SHORT, World, places, positions, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_as_long_as_what_is_not_done() {
    let Some(world) = World::start().await else { return };
    let process = world.sweeping().await;
    for _ in 0..10 {
        world.post(&process, 700).await;
        let received = process.receive(700).await;
        assert_eq!(world.redis.entries(world.settings.partitions).await, 700);
        process.acknowledge(&received).await;
        process.acknowledge(&received).await;
        assert_eq!(world.redis.entries(world.settings.partitions).await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tidying_leaves_everything_that_is_not_acknowledged() {
    let Some(world) = World::start().await else { return };
    let process = world.process().await;
    let posted = world.post(&process, 2_000).await;
    let received = process.receive(1_500).await;
    // As a process leaves them that dies between the two commands: acknowledged and not deleted.
    let (done, held) = (&received[..1_200], &received[1_200..]);
    for partition in 0..world.settings.partitions {
        let stream = format!("events{{{partition}}}");
        let entries: Vec<(String, Vec<String>)> = world.redis.ask("XRANGE", &[&stream, "-", "+"]).await;
        let is_done = |fields: &[String]| {
            let position = fields[3].split(' ').nth(1).unwrap();
            positions(done).iter().any(|of| of.to_string() == position)
        };
        let ids = entries
            .iter()
            .filter(|(_, fields)| is_done(fields))
            .map(|(id, _)| id.as_str());
        let arguments: Vec<&str> = [stream.as_str(), "fan-out"].into_iter().chain(ids).collect();
        world.redis.ask::<u64>("XACK", &arguments).await;
    }
    let before = world.redis.entries(world.settings.partitions).await;
    assert_eq!(before, 2_000);
    let sweeping = world.sweeping().await;
    until("some is cut off", async || {
        world.redis.entries(world.settings.partitions).await < before
    })
    .await;
    let mut left = positions(held);
    left.extend(positions(&process.receive(500).await));
    let not_done: BTreeSet<_> = places(&posted).difference(&positions(done)).copied().collect();
    assert_eq!(left, not_done);
    let pending: u64 = {
        let mut pending = 0;
        for partition in 0..world.settings.partitions {
            let stream = format!("events{{{partition}}}");
            let all: Vec<(String, String, u64, u64)> = world
                .redis
                .ask("XPENDING", &[&stream, "fan-out", "-", "+", "9999"])
                .await;
            let entries: Vec<(String, Vec<String>)> = world.redis.ask("XRANGE", &[&stream, "-", "+"]).await;
            let there: BTreeSet<_> = entries.into_iter().map(|(id, _)| id).collect();
            assert!(
                all.iter().all(|(id, ..)| there.contains(id)),
                "what is pending is there"
            );
            pending += all.len() as u64;
        }
        pending
    };
    assert_eq!(pending, 800);
    drop(sweeping);
}

async fn consumers(world: &World) -> usize {
    let consumers: fred::types::Value = world.redis.ask("XINFO", &["CONSUMERS", "events{1}", "fan-out"]).await;
    consumers.array_len().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_is_forgotten_once_it_is_silent_and_holds_nothing() {
    let Some(mut world) = World::start().await else { return };
    world.settings.forget_after = Duration::ZERO;
    let dying = world.process().await;
    // All in one partition.
    let events: Vec<_> = (0..10).map(|_| world.commits.commit(1)).collect();
    dying.log.publish(&events).await.unwrap();
    let held = dying.receive(10).await;
    dying.acknowledge(&held[..9]).await;
    drop(dying);
    let sweeping = world.sweeping().await;
    tokio::time::sleep(SHORT).await;
    assert_eq!(
        consumers(&world).await,
        1,
        "it holds something that nobody has taken over"
    );
    drop(sweeping);
    let living = world.process().await;
    let taken_over = living.receive(1).await;
    let _sweeping = world.sweeping().await;
    until("the dead one is forgotten", async || consumers(&world).await == 1).await;
    living.acknowledge(&taken_over).await;
    assert_eq!(world.commits.left(), []);
    world.post(&living, 50).await;
    world.drain(&living).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_another_life_of_the_store_published_is_dropped() {
    let Some(mut world) = World::start().await else { return };
    let before = world.process().await;
    // These positions mean other events after a restore.
    world.post(&before, 40).await;
    before.receive(10).await;
    drop(before);
    world.settings.epoch = Epoch(1);
    let after = world.process().await;
    until("the old entries are gone", async || {
        let received = after.log.receive(100, SHORT).await.unwrap();
        assert_eq!(received, [], "what the streams hold is of another epoch");
        world.redis.entries(world.settings.partitions).await == 0
    })
    .await;
    assert_eq!(after.log.counts().of_other_epochs, 40);
    assert_eq!(world.commits.left().len(), 40);
    let _sweeping = world.sweeping().await;
    let received = world.drain(&after).await;
    assert_eq!(received.len(), 40, "what the outbox holds is published again");
}

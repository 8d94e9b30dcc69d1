//! Streams that are spread over the nodes of a cluster.

use std::time::Duration;

use storage::EventLog;

use crate::server::Redis;
use crate::world::{SHORT, World, places, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_cluster_all_goes_the_same_way() {
    let Some(redis) = Redis::start_cluster().await else {
        return;
    };
    let world = World::around(redis);
    let (dying, living) = (world.sweeping().await, world.sweeping().await);
    world.post(&dying, 300).await;
    world.commits.commit_many(30);
    dying.receive(100).await;
    drop(dying);
    world.drain(&living).await;
    until("nothing is left in the streams", async || {
        let again = living.log.receive(500, Duration::ZERO).await.unwrap();
        living.acknowledge(&again).await;
        world.redis.entries(world.settings.partitions).await == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_comes_back_empty_loses_nothing() {
    let Some(redis) = Redis::start_cluster().await else {
        return;
    };
    let mut world = World::around(redis);
    let process = world.sweeping().await;
    let posted = world.post(&process, 300).await;
    let held = process.receive(100).await;
    world.redis.last_node().kill();
    let unpublished = world.commits.commit_many(40);
    // Those whose streams are elsewhere may be in.
    let _ = process.log.publish(&unpublished).await;
    world.redis.last_node().restart().await;
    process.acknowledge(&held).await;
    let received = world.drain(&process).await;
    assert!(received.is_superset(&places(&unpublished)));
    assert!(places(&posted).is_superset(&(&received - &places(&unpublished))));
}

/// In each partition, wherever it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_understood_is_set_aside_and_replayed_on_every_node() {
    let Some(redis) = Redis::start_cluster().await else {
        return;
    };
    let world = World::around(redis);
    let process = world.sweeping().await;
    let partitions = world.settings.partitions;
    for partition in 0..partitions {
        let stream = format!("events{{{partition}}}");
        let entry = [&stream, "*", "format", "9", "event", "0 123456 and so on"];
        world.redis.ask::<String>("XADD", &entry).await;
    }
    until("all are set aside", async || {
        assert_eq!(process.log.receive(10, SHORT).await.unwrap(), []);
        process.log.count_aside().await.unwrap() == u64::from(partitions)
    })
    .await;
    let aside = process.log.list_aside(100).await.unwrap();
    assert_eq!(aside.len(), partitions as usize);
    for entry in &aside {
        assert!(process.log.replay(entry).await.unwrap());
    }
    assert_eq!(process.log.count_aside().await.unwrap(), 0);
}

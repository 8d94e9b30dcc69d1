//! Builds take turns at the stores.

use tokio_util::sync::CancellationToken;

use super::*;
use crate::build::Job;

fn one_builder(build_timeout: Duration) -> TimelineReadSettings {
    TimelineReadSettings {
        builders: 1,
        build_timeout,
        ..TimelineReadSettings::default()
    }
}

#[tokio::test]
async fn no_build_has_a_turn_while_it_waits() {
    let graph = Graph {
        staleness: Duration::from_hours(1),
        ..Graph::default()
    };
    let world = World::new(graph, one_builder(Duration::from_hours(2)));
    let running = tokio::spawn(Arc::clone(&world.service).run(CancellationToken::new()));
    for reader in 2..7 {
        world.service.builder.request(UserId::new(reader), Job::Build);
    }
    until(|| world.graph.asked.lock().len() == 5).await;
    running.abort();
}

#[tokio::test]
async fn a_build_that_gets_no_turn_in_time_is_given_up() {
    let stuck = UserId::new(9);
    let graph = Graph {
        stuck: Some(stuck),
        ..Graph::default()
    };
    let world = World::new(graph, one_builder(Duration::from_millis(50)));
    let running = tokio::spawn(Arc::clone(&world.service).run(CancellationToken::new()));
    world.service.builder.request(stuck, Job::Build);
    until(|| !world.graph.asked.lock().is_empty()).await;
    world.service.builder.request(READER, Job::Build);
    assert!(world.service.builder.is_claimed(READER));
    until(|| !world.service.builder.is_claimed(READER)).await;
    running.abort();
}

/// Two replicas are asked all the time, by turns. Each begins to build when the other is halfway through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_build_the_same_timeline_come_to_an_end() {
    let half = Duration::from_millis(100);
    let graph = Graph {
        staleness: half * 2,
        ..Graph::default()
    };
    let world = World::new(graph, TimelineReadSettings::default());
    let other = world.replica();
    let timelines = Arc::clone(&world.service.ports.timelines);
    let over = CancellationToken::new();
    for (service, after) in [(Arc::clone(&world.service), Duration::ZERO), (other, half)] {
        tokio::spawn(Arc::clone(&service).run(over.clone()));
        let over = over.clone();
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            while !over.is_cancelled() {
                service.builder.request(READER, Job::Build);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    let begun = Instant::now();
    while timelines.inspect(READER, deadline()).await.unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_mins(1), "no build is ever installed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    over.cancel();
}

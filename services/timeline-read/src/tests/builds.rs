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

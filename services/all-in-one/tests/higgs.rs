//! A real follow graph, with its heavy tail, through the real program: imported, posted to, read under every strategy,
//! crossed from one to the next, and killed in the middle.
//!
//! `ROOKERY_TEST_GRAPH` names the graph, a file of `follower followee` lines, gzipped or not. Without it nothing is
//! tested, and the test says so.

#[path = "higgs/graph.rs"]
mod graph;
#[path = "api/signer.rs"]
#[expect(dead_code, reason = "tokens are taken apart in the tests of the API alone")]
mod signer;
#[path = "higgs/world.rs"]
mod world;

use model::Strategy;
use test_support::Stop;
use world::World;

/// From so many followers on an author is pulled under `hybrid`.
const PULL_THRESHOLD: u64 = 100;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_real_graph_is_served_under_every_strategy() {
    let Some(file) = graph::file() else {
        eprintln!("SKIPPED LOUDLY: ROOKERY_TEST_GRAPH is not set, so nothing was tested on a real follow graph");
        return;
    };
    let mut world = World::import(&file, PULL_THRESHOLD).await;
    world.wait_for(Strategy::Hybrid, "pull").await;

    // Everybody, under hybrid: the huge are pulled, the small are pushed.
    let wave = world.post(world.everybody(), "under hybrid").await;
    world.compare_homes("under hybrid").await;
    world.check_hybrid(&wave).await;

    // Timelines exist by now: under push, all of it is written into them.
    world.change_to(Strategy::Push).await;
    let wave = world.post(world.some(300), "under push").await;
    world.compare_homes("under push").await;
    let written = world.written(&wave, "push").await;
    assert!(written > 0, "push writes entries into timelines");

    // Under pull nothing is written at all.
    world.change_to(Strategy::Pull).await;
    let wave = world.post(world.some(300), "under pull").await;
    world.compare_homes("under pull").await;
    assert_eq!(world.written(&wave, "pull").await, 0, "pull writes nothing");

    // Killed while tweets are posted and a change of strategy is under way.
    world.set_rules(Strategy::Push).await;
    world.post_and_kill(world.some(300)).await;
    world.compare_homes("after kill -9").await;
    world.process().end(Stop::Graceful).await.expect("a clean end");
}

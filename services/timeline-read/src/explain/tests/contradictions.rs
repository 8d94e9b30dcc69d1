//! What cannot be, done to the stores on purpose.

use std::fs;
use std::sync::Arc;

use model::{
    ActorVersion, ChunkPlan, Coverage, DeliveryPlan, DeliveryRecord, EdgeKind, Mode, SystemClock, TweetId, UserId,
};
use storage::{ChunkResult, DeliveryStore};
use storage_sqlite::{GraphOptions, SqliteGraph};

use super::super::{Explanation, Rule, Verdict};
use super::world::{World, deadline};
use crate::TimelineReadSettings;
use crate::home::HomeRequest;
use crate::service::{Ports, TimelineRead};

/// The rules whose steps contradict something.
fn contradicting(explanation: &Explanation) -> Vec<Rule> {
    explanation.with(Verdict::Contradiction).map(|step| step.rule).collect()
}

#[tokio::test]
async fn a_hole_in_a_stored_timeline() {
    let world = World::new().await;
    let older = world.post(world.author).await;
    let lost = world.post(world.author).await;
    let newer = world.post(world.author).await;
    for tweet in [older, newer] {
        world.push(tweet).await;
        world.record(tweet, Mode::Push).await;
    }
    let explanation = world.explain(lost).await;
    assert_eq!(contradicting(&explanation), [], "its delivery is not done");
    world.record(lost, Mode::Push).await;
    let explanation = world.explain(lost).await;
    assert!(!explanation.visible);
    assert_eq!(contradicting(&explanation), [Rule::Stored]);
    world.settle().await;
    world.edge(EdgeKind::Mute, world.reader, world.author, true).await;
    let explanation = world.explain(lost).await;
    assert_eq!(contradicting(&explanation), [Rule::Stored], "a mute does not excuse it");
    world.push(lost).await;
    assert_eq!(contradicting(&world.explain(lost).await), []);
}

#[tokio::test]
async fn a_hole_where_the_records_are_gone() {
    let world = World::new().await;
    let lost = world.post(world.author).await;
    assert_eq!(contradicting(&world.explain(lost).await), []);
    world.settle().await;
    assert_eq!(contradicting(&world.explain(lost).await), [Rule::Stored]);
}

#[tokio::test]
async fn a_hole_where_the_readers_chunk_is_done() {
    let world = World::new().await;
    let lost = world.post(world.author).await;
    let plan = DeliveryPlan {
        tweet: lost,
        author: world.author,
        mode: Mode::Push,
        accepted_at_ms: lost.unix_ms(),
    };
    world.deliveries.open(vec![plan], deadline()).await.unwrap();
    let chunks = [(0, None, world.reader), (1, Some(world.reader), UserId::new(99))];
    let chunks = chunks.map(|(number, after, last)| ChunkPlan {
        number,
        after,
        last,
        expected: 1,
    });
    let cut = world.deliveries.cut(lost, chunks.to_vec(), deadline());
    cut.await.unwrap();
    assert_eq!(contradicting(&world.explain(lost).await), []);
    let result = ChunkResult {
        tweet: lost,
        number: 0,
        written: 1,
        skipped: 0,
        unfollowed: 0,
        finished_at_ms: lost.unix_ms(),
    };
    world.deliveries.finish(vec![result], deadline()).await.unwrap();
    assert_eq!(contradicting(&world.explain(lost).await), [Rule::Stored]);
}

#[tokio::test]
async fn a_tweet_left_to_readers_that_no_reader_pulls() {
    let world = World::new().await;
    let lost = world.post(world.author).await;
    world.record(lost, Mode::Pull).await;
    let explanation = world.explain(lost).await;
    assert!(!explanation.visible);
    assert_eq!(contradicting(&explanation), [Rule::Stored]);
}

#[tokio::test]
async fn a_timeline_that_holds_follows_which_were_never_made() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    let coverage = Coverage {
        complete_from: TweetId::MIN,
        holds: ActorVersion(99),
    };
    world.build_as(&[], coverage).await;
    world.deliver(tweet).await;
    assert_eq!(contradicting(&world.explain(tweet).await), [Rule::Timeline]);
}

#[tokio::test]
async fn books_that_do_not_add_up() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.push(tweet).await;
    let record = DeliveryRecord {
        tweet,
        author: UserId::new(77),
        mode: Mode::Push,
        expected: 3,
        written: 1,
        skipped: 1,
        unfollowed: 0,
        accepted_at_ms: tweet.unix_ms(),
        finished_at_ms: Some(tweet.unix_ms()),
    };
    world.deliveries.record(vec![record], deadline()).await.unwrap();
    let explanation = world.explain(tweet).await;
    assert_eq!(contradicting(&explanation), [Rule::Delivery, Rule::Delivery]);
    assert!(explanation.visible, "it is shown all the same");
}

/// The rendered tweet stays in the cache, as if the deletion had not reached it.
#[tokio::test]
async fn a_read_that_shows_what_is_deleted() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    let request = HomeRequest {
        reader: world.reader,
        limit: 5,
        cursor: None,
        newer_than: None,
    };
    let page = world.service.home(request, deadline()).await.unwrap();
    assert_eq!(page.tweets.len(), 1);
    world.delete(world.author, tweet).await;
    let explanation = world.explain(tweet).await;
    assert!(explanation.visible);
    assert_eq!(contradicting(&explanation), [Rule::Read]);
}

#[tokio::test]
async fn a_view_that_is_not_what_the_store_has() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    for (kind, rule) in [(EdgeKind::Mute, Rule::Mute), (EdgeKind::Block, Rule::Block)] {
        world.edge(kind, world.reader, world.author, true).await;
        assert_eq!(contradicting(&world.explain(tweet).await), [], "{rule:?}");
    }
    let elsewhere = world.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let empty = SqliteGraph::open(&elsewhere, Arc::new(SystemClock), GraphOptions::default());
    let ports = Ports {
        edges: empty.unwrap(),
        ..world.ports.clone()
    };
    let service = TimelineRead::new(ports, TimelineReadSettings::default(), Arc::new(SystemClock));
    let explanation = service.explain(world.reader, tweet, deadline()).await.unwrap();
    assert!(!explanation.visible);
    assert_eq!(contradicting(&explanation), [Rule::Follow, Rule::Mute, Rule::Block]);
}

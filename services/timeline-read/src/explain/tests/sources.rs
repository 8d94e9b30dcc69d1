//! What puts a tweet into a timeline, and how it got there.

use std::time::Duration;

use model::{ChunkPlan, Coverage, DeliveryPlan, DeliveryState, EdgeKind, Mode, Subject, TweetId, UserId};
use storage::{AsideTweet, ChunkResult, DeliveryStore, GraphStore};

use super::super::{Rule, Verdict};
use super::world::{World, deadline, of_rule};

#[tokio::test]
async fn a_delivery_is_told_as_it_is_recorded() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Delivery).await;
    assert_eq!(verdict, Verdict::Note);
    assert!(detail.contains("not got to it"), "{detail}");
    assert!(!world.explain(tweet).await.visible, "it is undelivered");
    world.push(tweet).await;
    world.settle().await;
    let (_, detail) = world.verdict(tweet, Rule::Delivery).await;
    assert!(detail.contains("longer ago than records are kept"), "{detail}");
    world.record(tweet, Mode::Push).await;
    let (_, detail) = world.verdict(tweet, Rule::Delivery).await;
    let figures = "followers expected 1, timelines written 1, skipped 0";
    assert!(
        detail.contains("mode push, done at") && detail.contains(figures),
        "{detail}"
    );
}

/// Two chunks; the reader falls into the first.
async fn plan(world: &World, tweet: TweetId) {
    let plan = DeliveryPlan {
        tweet,
        author: world.author,
        mode: Mode::Push,
        accepted_at_ms: tweet.unix_ms(),
    };
    world.deliveries.open(vec![plan], deadline()).await.unwrap();
    let chunk = |number, after, last| ChunkPlan {
        number,
        after,
        last,
        expected: 1,
    };
    let (first, second) = (
        chunk(0, None, world.reader),
        chunk(1, Some(world.reader), UserId::new(99)),
    );
    let cut = world.deliveries.cut(tweet, vec![first, second], deadline());
    cut.await.unwrap();
}

async fn finish_first_chunk(world: &World, tweet: TweetId) {
    let result = ChunkResult {
        tweet,
        number: 0,
        written: 1,
        skipped: 0,
        unfollowed: 0,
        finished_at_ms: tweet.unix_ms(),
    };
    world.deliveries.finish(vec![result], deadline()).await.unwrap();
}

#[tokio::test]
async fn a_reader_falls_into_a_chunk_that_is_done_or_not() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    plan(&world, tweet).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Chunk).await;
    assert_eq!(verdict, Verdict::Note);
    let range = format!("chunk 0 (followers above 0 up to {})", world.reader);
    assert!(detail.contains(&range) && detail.contains("not done"), "{detail}");
    assert!(world.verdict(tweet, Rule::Delivery).await.1.contains("pending"));
    world.push(tweet).await;
    finish_first_chunk(&world, tweet).await;
    let (_, detail) = world.verdict(tweet, Rule::Chunk).await;
    assert!(detail.contains("done at") && detail.contains("written 1"), "{detail}");
    assert!(world.explain(tweet).await.visible);
}

#[tokio::test]
async fn a_chunk_that_is_set_aside_or_not_planned_says_so() {
    let world = World::new().await;
    let (tweet, later) = (world.post(world.author).await, world.post(world.author).await);
    plan(&world, tweet).await;
    while world
        .deliveries
        .lease(Duration::ZERO, 0, deadline())
        .await
        .unwrap()
        .is_some()
    {}
    let (_, detail) = world.verdict(tweet, Rule::Chunk).await;
    assert!(detail.contains("set aside"), "{detail}");
    let plan = DeliveryPlan {
        tweet: later,
        author: world.author,
        mode: Mode::Push,
        accepted_at_ms: later.unix_ms(),
    };
    world.deliveries.open(vec![plan], deadline()).await.unwrap();
    let (_, detail) = world.verdict(later, Rule::Chunk).await;
    assert!(detail.contains("not cut into chunks yet"), "{detail}");
}

#[tokio::test]
async fn without_a_stored_timeline_everything_is_pulled() {
    let world = World::without_timeline().await;
    let tweet = world.post(world.author).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Timeline).await;
    assert_eq!(verdict, Verdict::Note);
    assert!(detail.contains("none is stored"), "{detail}");
    assert_eq!(world.verdict(tweet, Rule::Stored).await.0, Verdict::Lack);
    let (verdict, detail) = world.verdict(tweet, Rule::Pulled).await;
    assert_eq!(verdict, Verdict::Give);
    assert!(detail.contains("nothing is stored"), "{detail}");
}

#[tokio::test]
async fn a_stored_tweet_is_given_by_the_timeline() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    let (_, detail) = world.verdict(tweet, Rule::Timeline).await;
    let follows = "the reader's version 1, this follow among them";
    assert!(
        detail.contains(follows) && detail.contains("above the mark"),
        "{detail}"
    );
    assert_eq!(world.verdict(tweet, Rule::Stored).await.0, Verdict::Give);
    assert_eq!(world.verdict(tweet, Rule::Pulled).await.0, Verdict::Lack);
}

#[tokio::test]
async fn below_the_mark_everybody_is_pulled() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    world.build(&[], tweet.next()).await;
    let (_, detail) = world.verdict(tweet, Rule::Timeline).await;
    assert!(detail.contains("below the mark"), "{detail}");
    let (verdict, detail) = world.verdict(tweet, Rule::Stored).await;
    assert_eq!(verdict, Verdict::Lack);
    assert!(detail.contains("older than what"), "{detail}");
    let (verdict, detail) = world.verdict(tweet, Rule::Pulled).await;
    assert_eq!(verdict, Verdict::Give);
    assert!(detail.contains("below the mark"), "{detail}");
}

#[tokio::test]
async fn a_follow_younger_than_the_timeline_is_pulled() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.record(tweet, Mode::Push).await;
    world.settle().await;
    for present in [false, true] {
        world.edge(EdgeKind::Follow, world.reader, world.author, present).await;
    }
    let (_, detail) = world.verdict(tweet, Rule::Timeline).await;
    assert!(detail.contains("without this follow"), "{detail}");
    let (verdict, detail) = world.verdict(tweet, Rule::Stored).await;
    assert_eq!(verdict, Verdict::Lack);
    assert!(detail.contains("the follow is younger"), "{detail}");
    let (verdict, detail) = world.verdict(tweet, Rule::Pulled).await;
    assert_eq!(verdict, Verdict::Give);
    assert!(detail.contains("of version 3"), "{detail}");
    assert!(world.explain(tweet).await.visible);
}

#[tokio::test]
async fn ranges_are_told_with_whose_they_are() {
    for (of, whose) in [("author", "its author"), ("everyone", "everyone")] {
        let world = World::new().await;
        let subject = match of {
            "author" => Subject::Author(world.author),
            _ => Subject::Everyone,
        };
        let tweet = world.post(world.author).await;
        let mut state = DeliveryState::pushed();
        state.open(tweet, 0);
        state.stop_pushing(0);
        world.set_state(subject, state.clone()).await;
        world.record(tweet, Mode::Pull).await;
        world.settle().await;
        let (verdict, detail) = world.verdict(tweet, Rule::Pulled).await;
        assert_eq!(verdict, Verdict::Give);
        assert!(
            detail.contains(&format!("readers pull {whose} from {tweet}")),
            "{detail}"
        );
        assert!(detail.ends_with(" on"), "{detail}");
        state.resume_pushing(0);
        state.close(tweet.next(), 0);
        world.set_state(subject, state).await;
        let (_, detail) = world.verdict(tweet, Rule::Pulled).await;
        assert!(detail.contains(&format!("up to {}", tweet.next())), "{detail}");
        let later = world.post(world.author).await;
        assert_eq!(world.verdict(later, Rule::Pulled).await.0, Verdict::Lack);
    }
}

#[tokio::test]
async fn what_is_set_aside_is_looked_up() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.settle().await;
    let author = world.author;
    world.log.aside.lock().push(AsideTweet { tweet, author });
    let (verdict, detail) = world.verdict(tweet, Rule::Aside).await;
    assert_eq!(verdict, Verdict::Give);
    assert!(detail.contains("set it aside"), "{detail}");
    assert!(world.explain(tweet).await.visible);
    world.edge(EdgeKind::Mute, world.reader, world.author, true).await;
    assert!(!world.explain(tweet).await.visible);
    assert_eq!(world.verdict(tweet, Rule::Aside).await.0, Verdict::Give);
}

#[tokio::test]
async fn a_shown_reply_brings_its_original() {
    let world = World::new().await;
    let answering = world.account("answering").await;
    world.edge(EdgeKind::Follow, world.reader, answering, true).await;
    world.build(&[], TweetId::MIN).await;
    let original = world.post(world.author).await;
    assert!(!world.explain(original).await.visible, "it is undelivered");
    let reply = world.reply(answering, Some(original)).await;
    assert_eq!(world.verdict(original, Rule::Reply).await.0, Verdict::Lack);
    world.push(reply).await;
    let (verdict, detail) = world.verdict(original, Rule::Reply).await;
    assert_eq!(verdict, Verdict::Give);
    assert!(detail.contains(&reply.to_string()), "{detail}");
    assert!(world.explain(original).await.visible);
    let (_, detail) = world.verdict(reply, Rule::Reply).await;
    assert!(detail.contains(&format!("it answers {original}")), "{detail}");
    world.edge(EdgeKind::Mute, world.reader, answering, true).await;
    assert!(!world.explain(original).await.visible, "the reply is not shown");
}

#[tokio::test]
async fn an_unfollowed_authors_entry_is_a_left_over() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    world.edge(EdgeKind::Follow, world.reader, world.author, false).await;
    let explanation = world.explain(tweet).await;
    assert!(!explanation.visible);
    assert_eq!(of_rule(&explanation, Rule::Stored).verdict, Verdict::Give);
    let pulled = of_rule(&explanation, Rule::Pulled);
    assert_eq!(pulled.verdict, Verdict::Lack);
    assert!(
        pulled.detail.contains("only whom the reader follows"),
        "{}",
        pulled.detail
    );
    let holds = world.graph.reader(world.reader, deadline()).await.unwrap().unwrap();
    world
        .build_as(
            &[],
            Coverage {
                complete_from: TweetId::MIN,
                holds: holds.version,
            },
        )
        .await;
    let (verdict, detail) = world.verdict(tweet, Rule::Stored).await;
    assert_eq!(verdict, Verdict::Lack);
    assert!(detail.contains("not followed"), "{detail}");
}

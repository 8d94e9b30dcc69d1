//! What keeps a tweet out.

use model::{EdgeKind, Mode, TweetId, UserId};
use storage::GraphStore;

use super::super::{Rule, Verdict};
use super::world::{World, deadline, of_rule};

#[tokio::test]
async fn a_reader_who_is_not_there_sees_nothing() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    let nobody = UserId::new(4_711);
    let explanation = world.explain_to(nobody, tweet).await;
    assert!(!explanation.visible);
    assert_eq!(of_rule(&explanation, Rule::Reader).verdict, Verdict::Hide);
    assert_eq!(of_rule(&explanation, Rule::Tweet).verdict, Verdict::Pass);
    world.graph.delete_user(world.reader, deadline()).await.unwrap();
    assert_eq!(world.verdict(tweet, Rule::Reader).await.0, Verdict::Hide);
}

#[tokio::test]
async fn a_tweet_that_never_was_is_told_from_a_deleted_one() {
    let world = World::new().await;
    for nothing in [1, TweetId::MAX.get()] {
        let (verdict, detail) = world.verdict(TweetId::new(nothing), Rule::Tweet).await;
        assert_eq!(verdict, Verdict::Hide);
        assert!(detail.contains("no such tweet"), "{detail}");
    }
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    world.delete(world.author, tweet).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Tweet).await;
    assert_eq!(verdict, Verdict::Hide);
    assert!(detail.contains("deleted"), "{detail}");
    assert_eq!(
        world.verdict(tweet, Rule::Stored).await.0,
        Verdict::Give,
        "the entry stays until it is trimmed"
    );
}

#[tokio::test]
async fn a_deleted_author_hides_all_tweets() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    assert_eq!(world.verdict(tweet, Rule::Author).await.0, Verdict::Pass);
    world.graph.delete_user(world.author, deadline()).await.unwrap();
    assert_eq!(world.verdict(tweet, Rule::Author).await.0, Verdict::Hide);
}

#[tokio::test]
async fn a_follow_is_told_with_its_version_and_so_is_its_end() {
    let world = World::new().await;
    let stranger = world.account("stranger").await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Follow).await;
    assert_eq!(verdict, Verdict::Pass);
    assert!(detail.contains("since its version 1"), "{detail}");
    world.edge(EdgeKind::Follow, world.reader, world.author, false).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Follow).await;
    assert_eq!(verdict, Verdict::Hide);
    assert!(detail.contains("unfollowed it at its version 2"), "{detail}");
    let never = world.post(stranger).await;
    let (verdict, detail) = world.verdict(never, Rule::Follow).await;
    assert_eq!(verdict, Verdict::Hide);
    assert!(detail.contains("nor is it known"), "{detail}");
}

#[tokio::test]
async fn ones_own_tweet_needs_no_follow() {
    let world = World::new().await;
    let tweet = world.post(world.reader).await;
    let explanation = world.explain(tweet).await;
    assert!(explanation.visible);
    let follow = of_rule(&explanation, Rule::Follow);
    assert_eq!(follow.verdict, Verdict::Pass);
    assert!(follow.detail.contains("its author is the reader"), "{}", follow.detail);
    let filters = [Rule::Mute, Rule::Block];
    assert!(explanation.steps.iter().all(|step| !filters.contains(&step.rule)));
    assert!(of_rule(&explanation, Rule::Pulled).detail.contains("one's own"));
}

#[tokio::test]
async fn a_mute_hides_and_its_end_brings_back() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    world.edge(EdgeKind::Mute, world.author, world.reader, true).await;
    assert_eq!(
        world.verdict(tweet, Rule::Mute).await.0,
        Verdict::Pass,
        "theirs is none of the reader's"
    );
    world.edge(EdgeKind::Mute, world.reader, world.author, true).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Mute).await;
    assert_eq!(verdict, Verdict::Hide);
    assert!(detail.contains("since its version 2"), "{detail}");
    world.edge(EdgeKind::Mute, world.reader, world.author, false).await;
    assert_eq!(world.verdict(tweet, Rule::Mute).await.0, Verdict::Pass);
    assert!(world.explain(tweet).await.visible);
}

#[tokio::test]
async fn a_block_is_told_with_its_direction() {
    let world = World::new().await;
    let (reader, author) = (world.reader, world.author);
    let tweet = world.post(author).await;
    world.deliver(tweet).await;
    assert_eq!(world.verdict(tweet, Rule::Block).await.0, Verdict::Pass);
    let (ours, theirs) = (
        format!("account {reader} blocks account {author}"),
        format!("account {author} blocks account {reader}"),
    );
    world.edge(EdgeKind::Block, author, reader, true).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Block).await;
    assert_eq!(verdict, Verdict::Hide);
    assert!(detail.contains(&theirs) && !detail.contains(&ours), "{detail}");
    world.edge(EdgeKind::Block, reader, author, true).await;
    let (_, detail) = world.verdict(tweet, Rule::Block).await;
    assert!(detail.contains(&theirs) && detail.contains(&ours), "{detail}");
    world.edge(EdgeKind::Block, author, reader, false).await;
    let (verdict, detail) = world.verdict(tweet, Rule::Block).await;
    assert_eq!(verdict, Verdict::Hide);
    assert!(detail.contains(&ours) && !detail.contains(&theirs), "{detail}");
}

#[tokio::test]
async fn what_is_hidden_is_told_with_what_gives_it() {
    let world = World::new().await;
    let tweet = world.post(world.author).await;
    world.deliver(tweet).await;
    world.edge(EdgeKind::Mute, world.reader, world.author, true).await;
    let explanation = world.explain(tweet).await;
    assert!(!explanation.visible);
    assert_eq!(of_rule(&explanation, Rule::Stored).verdict, Verdict::Give);
    let delivery = of_rule(&explanation, Rule::Delivery).detail;
    assert!(delivery.contains(Mode::Push.as_str()), "{delivery}");
}

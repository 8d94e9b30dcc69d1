//! Traps 17, 18, 19 and 22: what a page shows, and where the next one begins.

use model::{EdgeKind, Phase, Strategy};
use test_support::PageQuery;

use crate::world::World;

/// Guard: `Scan::cut` in `services/timeline-read/src/home.rs` goes on from where the scan has got to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_17_a_page_that_filters_empty_is_not_the_end() {
    let world = World::of(Strategy::Push).await;
    let [quiet, loud, reader] = world.accounts().await;
    world.follow(&reader, &quiet).await;
    world.follow(&reader, &loud).await;
    let below = world.post(&quiet).await;
    let hidden = world.posts(&loud, 100).await;
    world.delivered(&hidden).await;
    world.set_edge(EdgeKind::Mute, &reader, &loud, true).await;
    for _ in ["pulled", "stored"] {
        let page = world.page(&reader, &PageQuery::limit(1)).await;
        assert!(page.tweets.is_empty(), "all that it looked at is muted");
        assert!(page.next_cursor.is_some());
        assert_eq!(world.home_by(&reader, 1).await, [below]);
        world.built(&reader).await;
    }
}

/// A pulled author who posts rarely, and a pushed one who posts often, on either side of the stored timeline's mark.
///
/// Guard: `Sources::fetch` in `services/timeline-read/src/sources.rs` ends at the highest of the lower bounds.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_18_a_page_of_several_sources_leaves_no_gap() {
    let world = World::with(crate::world::Options {
        window: 7,
        ..crate::world::Options::of(Strategy::Hybrid)
    })
    .await;
    let [huge, small, reader, second, third] = world.accounts().await;
    for follower in [&reader, &second, &third] {
        world.follow(follower, &huge).await;
    }
    world.follow(&reader, &small).await;
    world.phase_becomes(&huge, Phase::Pulled).await;
    world.built(&reader).await;
    let mut expected = Vec::new();
    for _ in 0..5 {
        expected.extend(world.posts(&small, 4).await);
        expected.extend(world.posts(&huge, 2).await);
    }
    world.delivered(&expected).await;
    expected.reverse();
    for page_size in (1..12).chain([100]) {
        assert_eq!(world.home_by(&reader, page_size).await, expected, "{page_size} a page");
    }
}

/// Guard: `Scan::add_originals` in `services/timeline-read/src/home.rs`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_19_a_reply_is_not_seen_before_its_original() {
    let world = World::of(Strategy::Push).await;
    let [asks, answers, reader] = world.accounts().await;
    world.follow(&reader, &asks).await;
    world.follow(&reader, &answers).await;
    world.built(&reader).await;
    world.gate.hold(&[asks.id]);
    let question = world.post(&asks).await;
    let answer = world.reply(&answers, Some(question)).await;
    world.finished(answer).await;
    assert_eq!(world.stored(&reader).await, [answer], "the original is not delivered");
    assert_eq!(world.home(&reader).await, [answer, question]);
    world.gate.hold(&[]);
    world.delivered(&[question]).await;
    assert_eq!(world.home(&reader).await, [answer, question]);
}

/// Guard: `beside_stored` in `services/timeline-read/src/sources.rs` pulls the reader's own tweets, however they travel.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_22_ones_own_tweet_is_in_ones_own_next_read() {
    for strategy in [Strategy::Pull, Strategy::Push, Strategy::Hybrid] {
        let world = World::of(strategy).await;
        let [ada] = world.accounts().await;
        if strategy != Strategy::Pull {
            world.built(&ada).await;
        }
        world.gate.hold(&[ada.id]);
        let mut expected = Vec::new();
        for _ in 0..3 {
            expected.insert(0, world.post(&ada).await);
            assert_eq!(
                world.home(&ada).await,
                expected,
                "{strategy:?}, and nothing is delivered"
            );
        }
    }
}

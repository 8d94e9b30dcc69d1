//! Stored timelines that were spoilt on purpose, in memory and in Redis: an audit finds each, says how it differs, and has it
//! mended; and it takes nothing for a difference that follows from what happened.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod spoil;
mod world;

use model::{EdgeKind, TweetId};
use timeline_read::{AuditReport, Rebuilt};

use crate::spoil::{Spoil, memory, redis};
use crate::world::{FRIEND, LEFT, READER, STRANGER, World, deadline};

/// What an audit answers when it has compared the reader's timeline and found so much.
fn found(missing: u64, extra: u64) -> AuditReport {
    AuditReport {
        compared: 1,
        missing,
        extra,
        repaired: u64::from(missing + extra > 0),
    }
}

async fn audit(world: &World) -> AuditReport {
    world.service.audit(10, deadline()).await.unwrap()
}

/// Spoils the reader's timeline; an audit finds it, a second one finds nothing, and it is as it was.
async fn is_found_and_mended(
    world: &World,
    spoil: &dyn Spoil,
    how: impl Fn(&mut Vec<u64>, &mut u64) + Send + Sync,
    expected: AuditReport,
) {
    assert_eq!(audit(world).await, found(0, 0), "before");
    let before = world.stored(READER).await;
    spoil.spoil(world.user(READER), &how).await;
    assert_ne!(world.stored(READER).await, before, "it is spoilt");
    assert_eq!(audit(world).await, expected);
    assert_eq!(world.stored(READER).await, before, "it is mended");
    assert_eq!(audit(world).await, found(0, 0), "after");
}

async fn a_dropped_entry(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    world.post(FRIEND, 5).await;
    for at in [0, 2, 4] {
        let drop = move |ids: &mut Vec<u64>, _: &mut u64| _ = ids.remove(at);
        is_found_and_mended(&world, &spoil, drop, found(1, 0)).await;
    }
    is_found_and_mended(&world, &spoil, |ids, _| ids.clear(), found(5, 0)).await;
}

async fn an_entry_of_a_stranger(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    world.post(FRIEND, 3).await;
    let strange = world.post(STRANGER, 2).await;
    let add = |ids: &mut Vec<u64>, _: &mut u64| ids.extend(strange.iter().map(|id| id.get()));
    is_found_and_mended(&world, &spoil, add, found(0, 2)).await;
}

async fn an_entry_of_no_tweet(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    let last = world.post(FRIEND, 3).await[2];
    let add = |ids: &mut Vec<u64>, _: &mut u64| ids.push(last.get() + 1);
    is_found_and_mended(&world, &spoil, add, found(0, 1)).await;
}

/// A mark is where it is because what lies below was trimmed.
async fn a_mark_that_is_too_low(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    world.post(FRIEND, 6).await;
    let trim = |ids: &mut Vec<u64>, mark: &mut u64| {
        ids.drain(..2);
        *mark = ids[0];
    };
    spoil.spoil(world.user(READER), &trim).await;
    assert_eq!(audit(&world).await, found(0, 0), "a timeline may begin anywhere");
    let lower = |_: &mut Vec<u64>, mark: &mut u64| *mark = 0;
    spoil.spoil(world.user(READER), &lower).await;
    assert_eq!(audit(&world).await, found(2, 0));
    assert_eq!(audit(&world).await, found(0, 0));
    assert_eq!(world.stored(READER).await.0.len(), 6);
}

async fn a_mark_that_is_too_high(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    world.post(FRIEND, 6).await;
    let raise = |ids: &mut Vec<u64>, mark: &mut u64| *mark = ids[4];
    is_found_and_mended(&world, &spoil, raise, found(0, 4)).await;
}

/// Deleted tweets, and those of somebody who is followed no longer, stay behind as entries. Tweets of somebody who was
/// followed just now, and tweets that are not delivered yet, may be entries or not.
async fn what_explains_itself(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    let friends = world.post(FRIEND, 4).await;
    world.post(LEFT, 3).await;
    world.delete(FRIEND, friends[1]).await;
    world.edge(EdgeKind::Follow, READER, LEFT, false).await;
    assert_eq!(world.stored(READER).await.0.len(), 7);
    assert_eq!(audit(&world).await, found(0, 0), "what is left behind");
    world.edge(EdgeKind::Mute, READER, FRIEND, true).await;
    world.edge(EdgeKind::Block, STRANGER, READER, true).await;
    world.post(FRIEND, 1).await;
    assert_eq!(audit(&world).await, found(0, 0), "what is filtered at read");
    world.post(LEFT, 1).await;
    world.edge(EdgeKind::Follow, READER, LEFT, true).await;
    world.post(LEFT, 2).await;
    assert_eq!(world.stored(READER).await.0.len(), 10);
    assert_eq!(
        audit(&world).await,
        found(0, 0),
        "a follow that the timeline does not hold"
    );
    world.delete_account(LEFT).await;
    assert_eq!(audit(&world).await, found(0, 0), "an account that is gone");
}

/// What one look finds may be of the moment; what two find is mended.
async fn what_only_one_look_finds(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    world.post(LEFT, 2).await;
    world.edge(EdgeKind::Follow, READER, LEFT, false).await;
    world.mislead(1);
    assert_eq!(audit(&world).await, found(0, 0));
    assert_eq!(world.stored(READER).await.0.len(), 2, "nothing was mended");
    world.mislead(2);
    assert_eq!(audit(&world).await, found(0, 2));
    assert_eq!(world.stored(READER).await.0.len(), 0);
}

async fn a_rebuild(spoil: impl Spoil) {
    let world = World::with_timeline(spoil.store()).await;
    world.post(FRIEND, 5).await;
    let before = world.stored(READER).await;
    spoil.spoil(world.user(READER), &|ids, _| _ = ids.remove(3)).await;
    let rebuilt = world.service.rebuild(world.user(READER), deadline()).await.unwrap();
    assert_eq!((rebuilt, world.stored(READER).await), (Rebuilt::Anew, before.clone()));
    let nobody = world.service.rebuild(world.user(STRANGER), deadline()).await.unwrap();
    assert_eq!(nobody, Rebuilt::Gone, "it makes no timeline");
    assert!(!world.has_timeline(STRANGER).await);

    for other in [FRIEND, LEFT] {
        world.build(other).await;
    }
    spoil.spoil(world.user(READER), &|ids, _| ids.clear()).await;
    let mut told = Vec::new();
    let counts = world
        .service
        .rebuild_all(|counts| told.push(counts.total()))
        .await
        .unwrap();
    assert_eq!((counts.rebuilt, counts.gone, counts.failed), (3, 0, 0));
    assert_eq!(told, [1, 2, 3]);
    assert_eq!(world.stored(READER).await, before);
    world.delete_account(LEFT).await;
    let counts = world.service.rebuild_all(|_| {}).await.unwrap();
    assert_eq!((counts.rebuilt, counts.gone, counts.failed), (2, 1, 0));
    assert!(!world.has_timeline(LEFT).await, "a deleted account has none");
}

/// Nobody has a timeline.
async fn nothing(spoil: impl Spoil) {
    let world = World::new(spoil.store()).await;
    assert_eq!(audit(&world).await, AuditReport::default());
    let counts = world.service.rebuild_all(|_| {}).await.unwrap();
    assert_eq!(counts.total(), 0);
    assert_eq!(world.tweets_of(FRIEND).await, [TweetId::MIN; 0]);
}

macro_rules! of_each_store {
    ($($name:ident: $test:ident,)+) => {
        mod in_memory {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    $test(memory()).await;
                }
            )+
        }

        mod in_redis {
            use super::*;

            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $name() {
                    if let Some(redis) = redis().await {
                        $test(redis).await;
                    }
                }
            )+
        }
    };
}

of_each_store! {
    a_dropped_entry_is_found_and_mended: a_dropped_entry,
    an_entry_of_somebody_who_was_never_followed_is_found_and_mended: an_entry_of_a_stranger,
    an_entry_of_no_tweet_is_found_and_mended: an_entry_of_no_tweet,
    a_mark_that_was_moved_down_is_found_and_mended: a_mark_that_is_too_low,
    a_mark_that_was_moved_up_is_found_and_mended: a_mark_that_is_too_high,
    what_explains_itself_is_no_difference: what_explains_itself,
    what_only_one_look_finds_is_no_difference: what_only_one_look_finds,
    a_timeline_is_computed_anew_on_demand: a_rebuild,
    where_there_is_nothing_there_is_nothing_wrong: nothing,
}

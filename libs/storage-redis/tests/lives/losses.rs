//! A part of a timeline can get lost without the others: a server that is short of memory drops whole keys.

use model::TweetId;
use storage::{StoreError, TimelineStore, TweetCache};

use crate::server::{Server, programs};
use crate::world::{READER, World, built, deadline};

async fn lose(server: &Server, kind: &str) {
    for key in server.keys(kind).await {
        let gone: u64 = server.ask("DEL", &[&key]).await;
        assert_eq!(gone, 1);
    }
}

#[tokio::test]
async fn without_the_blocks_the_newest_part_is_complete_from_its_first_id() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, 1..=800).await;
        lose(&server, "u").await;
        let (ids, complete_from) = world.all(READER).await;
        assert_eq!(ids, (complete_from..=800).collect::<Vec<_>>());
        assert!(complete_from > 700, "{complete_from}");
        // What goes on as if nothing were: late ids, a spill, a backfill.
        world.push(READER, &[3, complete_from - 1]).await.unwrap();
        assert_eq!(world.all(READER).await, (ids, complete_from));
        for id in 801..=1_000 {
            world.push(READER, &[id]).await.unwrap();
        }
        let (ids, complete_from) = world.all(READER).await;
        assert_eq!(ids, (complete_from..=1_000).collect::<Vec<_>>());
        lose(&server, "u").await;
        let more = [TweetId::new(2), TweetId::new(2_000)];
        // Whoever gathers has seen that the blocks are lost.
        let gathered_for = model::Coverage {
            complete_from: TweetId::new(world.all(READER).await.1),
            holds: model::ActorVersion(1),
        };
        assert!(
            world
                .timelines
                .backfill(READER, &more, gathered_for, model::ActorVersion(2), deadline())
                .await
                .unwrap()
        );
        let (ids, complete_from) = world.all(READER).await;
        assert_eq!(ids, (complete_from..=1_000).chain([2_000]).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_build_that_has_lost_what_it_collected_is_not_installed() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let ticket = world.timelines.begin_build(READER, deadline()).await.unwrap();
        assert!(world.push(READER, &[1]).await.unwrap());
        lose(&server, "b").await;
        assert!(!world.push(READER, &[2]).await.unwrap(), "it has nowhere to go");
        assert!(!world.timelines.install(ticket, built([1]), deadline()).await.unwrap());

        world.build(READER, [1, 2]).await;
        let ticket = world.timelines.begin_build(READER, deadline()).await.unwrap();
        lose(&server, "b").await;
        assert!(!world.timelines.install(ticket, built([1]), deadline()).await.unwrap());
        assert!(world.push(READER, &[3]).await.unwrap(), "the old one is still there");
        assert_eq!(world.all(READER).await.0, [1, 2, 3]);
    }
}

#[tokio::test]
async fn without_its_newest_part_there_is_no_timeline() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, 1..=800).await;
        lose(&server, "t").await;
        assert!(!world.push(READER, &[801]).await.unwrap());
        assert_eq!(world.read(READER).await.unwrap().slice, None);
        world.build(READER, 900..1_000).await;
        assert_eq!(world.all(READER).await.0, (900..1_000).collect::<Vec<_>>());
    }
}

/// Somebody else's tool has written over it.
#[tokio::test]
async fn what_is_no_timeline_gives_way_to_one() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        for spoilt in ["x".to_owned(), "x".repeat(100)] {
            world.build(READER, [1, 2]).await;
            for key in server.keys("t").await {
                let _: String = server.ask("SET", &[&key, &spoilt]).await;
            }
            world.read(READER).await.expect_err("it is none");
            assert!(!world.push(READER, &[3]).await.unwrap(), "there is no timeline");
            world.build(READER, [1, 2, 3]).await;
            assert_eq!(world.all(READER).await.0, [1, 2, 3]);
        }
    }
}

/// A reader that was stopped between the store and the cache, while the server lost everything.
#[tokio::test]
async fn a_removal_that_was_lost_still_wins() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let (_, before) = world.cached(7).await;
        world.tweets.remove(&[TweetId::new(7)], deadline()).await.unwrap();
        let _: String = server.ask("FLUSHALL", &[]).await;
        world.put(7, before).await;
        assert!(!world.cached(7).await.0);
        // Somebody else has found it missing by now: a put of the old answer does not take that place either.
        world.put(7, before).await;
        assert!(!world.cached(7).await.0);
    }
}

#[tokio::test]
async fn what_a_later_version_wrote_is_not_guessed_at() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, 1..=100).await;
        let key = server.keys("t").await.remove(0);
        let _: u64 = server.ask("SETRANGE", &[&key, "0", "\u{2}"]).await;
        for answer in [
            world.read(READER).await.map(|_| ()),
            world.push(READER, &[50]).await.map(|_| ()),
        ] {
            assert!(matches!(answer, Err(StoreError::Corrupt { .. })), "{answer:?}");
        }
    }
}

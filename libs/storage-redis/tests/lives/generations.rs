//! A server's lives are told apart.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use model::{ActorVersion, TweetId};
use storage::{StoreError, TweetCache};

use crate::server::{Server, programs};
use crate::world::{READER, World, deadline};

#[tokio::test]
async fn what_an_older_file_holds_counts_as_absent() {
    for program in programs() {
        let mut server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, [1, 2]).await;
        world.announce(3).await;
        let (_, epoch) = world.cached(7).await;
        world.put(7, epoch).await;
        let file = server.save().await;
        world.push(READER, &[3]).await.unwrap();
        server.kill();
        fs::write(server.file(), file).unwrap();
        server.restart().await;
        assert!(server.keys("t").await.len() == 1, "the file holds the timeline");

        let stored = world.read_when_back(READER).await;
        assert_eq!((stored.slice, stored.actor_version), (None, None));
        for _ in 0..10 {
            // Over each of the connections.
            assert!(!world.push(READER, &[4]).await.unwrap_or(false));
            let cached = world.tweets.get(&[TweetId::new(7)], deadline()).await;
            assert!(!cached.is_ok_and(|cached| cached.tweets[0].is_some()));
        }
        assert_eq!(world.lives.count(), 2);
        world.build_when_back(READER, [1, 2, 3, 4]).await;
        assert_eq!(world.all(READER).await.0, [1, 2, 3, 4]);
    }
}

/// Every process learns of it by itself, and all of the same number.
#[tokio::test]
async fn all_processes_go_by_the_same_generation() {
    for program in programs() {
        let mut server = Server::start(&program, &[]).await;
        let one = World::new(&server.url()).await;
        // Another address of the same server.
        let url = server.url().replace("127.0.0.1", "localhost");
        let other = World::sharing(&url, Arc::clone(&one.lives)).await;
        for _ in 0..2 {
            other.read_when_back(READER).await;
            one.read_when_back(READER).await;
            one.build_when_back(READER, [1]).await;
            while !other.push(READER, &[2]).await.unwrap_or(false) {}
            assert_eq!(one.all(READER).await.0, [1, 2]);
            server.kill();
            server.restart().await;
        }
        assert_eq!(one.lives.count(), 2, "the third life was not used");
    }
}

#[tokio::test]
async fn a_replica_is_not_used_and_comes_back_with_another_life() {
    for program in programs() {
        let (primary, server) = tokio::join!(Server::start(&program, &[]), Server::start(&program, &[]));
        let world = World::new(&server.url()).await;
        world.build(READER, [1]).await;
        let port = primary.port.to_string();
        let _: String = server.ask("REPLICAOF", &["127.0.0.1", &port]).await;
        // No sooner than a confirmation is due.
        while world.any_read_is_ok().await {}
        let refused = world.push(READER, &[2]).await;
        assert!(matches!(refused, Err(StoreError::Unavailable { .. })), "{refused:?}");
        let _: String = server.ask("REPLICAOF", &["NO", "ONE"]).await;
        assert_eq!(world.read_when_back(READER).await.slice, None);
        assert_eq!(world.lives.count(), 2);
    }
}

#[tokio::test]
async fn nothing_is_believed_while_the_lives_cannot_be_looked_up() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, [1]).await;
        world.lives.set_away(true);
        while world.any_read_is_ok().await {}
        assert!(world.push(READER, &[2]).await.is_err());
        world.lives.set_away(false);
        assert_eq!(world.read(READER).await.unwrap().slice.unwrap().ids.len(), 1);
    }
}

/// The process may have been stopped while it waited.
#[tokio::test]
async fn an_answer_that_came_late_counts_only_if_nothing_has_changed() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, [1]).await;
        for is_raised in [false, true] {
            world.read(READER).await.unwrap();
            server.signal("STOP");
            let reading = world.read(READER);
            let meanwhile = async {
                tokio::time::sleep(storage_redis::HOLDS + Duration::from_millis(100)).await;
                if is_raised {
                    world.lives.raise_all();
                }
                server.signal("CONT");
            };
            let (late, ()) = tokio::join!(reading, meanwhile);
            assert_eq!(late.is_err(), is_raised, "{late:?}");
        }
    }
}

/// A command that a dying server has not read does not reach the next one.
#[tokio::test]
async fn no_command_is_sent_twice() {
    for program in programs() {
        let mut server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.build(READER, [1]).await;
        let file = server.save().await;
        let key = server.keys("t").await.remove(0);
        server.signal("STOP");
        let ids: Vec<u64> = (2..40).collect();
        let pushes = futures::future::join_all(ids.chunks(1).map(|id| world.push(READER, id)));
        let restart = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            server.kill();
            fs::write(server.file(), file).unwrap();
            server.restart().await;
        };
        let (pushed, ()) = tokio::join!(pushes, restart);
        assert!(pushed.iter().all(|pushed| !matches!(pushed, Ok(true))));
        let header_and_one_id: u64 = server.ask("STRLEN", &[&key]).await;
        assert_eq!(header_and_one_id, 64, "nothing was appended to what the file holds");
        world.read_when_back(READER).await;
    }
}

/// Of a number that is announced while none is known, nobody can say that no higher one was lost.
#[tokio::test]
async fn a_version_is_believed_only_when_no_higher_one_can_have_been_lost() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        world.announce(5).await;
        let known = async || {
            let mut known = world.read(READER).await.unwrap().actor_version;
            while known.is_none() {
                tokio::time::sleep(Duration::from_millis(50)).await;
                known = world.read(READER).await.unwrap().actor_version;
            }
            known
        };
        assert_eq!(known().await, Some(ActorVersion(5)));
        world.announce(4).await;
        assert_eq!(world.read(READER).await.unwrap().actor_version, Some(ActorVersion(5)));
        world.announce(6).await;
        assert_eq!(world.read(READER).await.unwrap().actor_version, Some(ActorVersion(6)));
        world.build(READER, [1]).await;
        assert_eq!(world.read(READER).await.unwrap().actor_version, Some(ActorVersion(6)));

        let _: String = server.ask("FLUSHALL", &[]).await;
        world.announce(4).await;
        let text: Vec<u8> = {
            let key = server.keys("t").await.remove(0);
            server.ask::<bytes::Bytes>("GET", &[&key]).await.to_vec()
        };
        let created_ms = u64::from_be_bytes(text[40..48].try_into().unwrap());
        let stored = world.read(READER).await.unwrap().actor_version;
        let (seconds, _): (u64, u64) = server.ask("TIME", &[]).await;
        assert!(
            stored.is_none() || seconds * 1_000 > created_ms,
            "not at once: {stored:?}"
        );
        assert_eq!(known().await, Some(ActorVersion(4)));
    }
}

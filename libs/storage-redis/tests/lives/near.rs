//! Tweets that a process keeps in memory, while the server loses what it knows of removals.

use std::sync::Arc;
use std::time::Duration;

use model::TweetId;
use storage::TweetCache;
use storage_redis::{HOLDS, NearTweets};

use crate::server::{Server, programs};
use crate::world::{World, deadline};

const TWEET: u64 = 7;

/// A process that has the tweet in memory.
async fn keeping(world: &World) -> Arc<NearTweets> {
    let near = NearTweets::new(Arc::clone(&world.tweets), 1 << 20);
    // Nothing is kept while somebody may go by an older generation.
    tokio::time::sleep(HOLDS + Duration::from_millis(50)).await;
    let (_, epoch) = world.cached(TWEET).await;
    world.put(TWEET, epoch).await;
    assert!(is_shown(&near).await);
    near
}

/// What an answer does not say is not shown.
async fn is_shown(near: &NearTweets) -> bool {
    let looked_at = near.get(&[TweetId::new(TWEET)], deadline()).await;
    looked_at.is_ok_and(|looked_at| looked_at.tweets[0].is_some())
}

async fn remove(world: &World, ids: impl IntoIterator<Item = u64>) {
    let ids: Vec<TweetId> = ids.into_iter().map(TweetId::new).collect();
    world.tweets.remove(&ids, deadline()).await.unwrap();
}

async fn lose(server: &Server, beginning: &str) {
    let keys = server.keys(beginning).await;
    assert!(!keys.is_empty(), "{beginning}");
    for key in keys {
        let _: u64 = server.ask("DEL", &[&key]).await;
    }
}

#[tokio::test]
async fn what_is_in_memory_is_answered_from_there() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let near = keeping(&world).await;
        remove(&world, [8, 9]).await;
        lose(&server, "c{").await;
        assert!(is_shown(&near).await, "it was not removed");
    }
}

/// The list of removals is lost, and so the only trace of one; another list has as many entries by then.
#[tokio::test]
async fn a_removal_that_is_not_told_any_more_wins() {
    for program in programs() {
        for others in [0, 1, 2, 10] {
            let server = Server::start(&program, &[]).await;
            let world = World::new(&server.url()).await;
            let near = keeping(&world).await;
            remove(&world, [8]).await;
            assert!(is_shown(&near).await);
            remove(&world, [TWEET]).await;
            lose(&server, "d{").await;
            remove(&world, 100..100 + others).await;
            assert!(!is_shown(&near).await, "{others}");
        }
    }
}

#[tokio::test]
async fn a_removal_before_very_many_others_wins() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let near = keeping(&world).await;
        remove(&world, [TWEET]).await;
        for first in (100..5_100).step_by(100) {
            remove(&world, first..first + 100).await;
        }
        assert!(!is_shown(&near).await);
    }
}

#[tokio::test]
async fn a_server_that_comes_back_with_an_older_file_shows_nothing_of_it() {
    for program in programs() {
        let mut server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let near = keeping(&world).await;
        server.save().await;
        remove(&world, [TWEET]).await;
        server.kill();
        server.restart().await;
        loop {
            if let Ok(looked_at) = near.get(&[TweetId::new(TWEET)], deadline()).await {
                assert_eq!(looked_at.tweets, [None]);
                break;
            }
        }
    }
}

/// The server's life changes without a connection breaking: who removes goes by the old one for a moment, who reads by the new.
#[tokio::test]
async fn a_removal_under_the_generation_before_wins() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let remover = World::new(&server.url()).await;
        keeping(&remover).await;
        let _: String = server.ask("REPLICAOF", &["127.0.0.1", "1"]).await;
        let _: String = server.ask("REPLICAOF", &["NO", "ONE"]).await;
        let reader = World::sharing(&server.url(), Arc::clone(&remover.lives)).await;
        let near = NearTweets::new(Arc::clone(&reader.tweets), 1 << 20);
        let (_, epoch) = reader.cached(TWEET).await;
        remove(&remover, [TWEET]).await;
        reader.put(TWEET, epoch).await;
        assert!(!reader.cached(TWEET).await.0);
        assert!(!is_shown(&near).await);
    }
}

#[tokio::test]
async fn a_removal_on_a_full_server_wins() {
    for program in programs() {
        let server = Server::start(&program, &[]).await;
        let world = World::new(&server.url()).await;
        let near = keeping(&world).await;
        remove(&world, [8]).await;
        let _: String = server.ask("CONFIG", &["SET", "maxmemory", "1"]).await;
        assert!(is_shown(&near).await, "looks write nothing");
        remove(&world, [TWEET]).await;
        assert!(!is_shown(&near).await);
    }
}

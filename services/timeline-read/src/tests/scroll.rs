//! A scroll that begins far above the mark, where fan-out has done nothing for a long time.

use super::*;
use crate::home::{HomePage, HomeRequest};
use crate::mark::HomeCursor;
use crate::mark::Mark;

async fn page(world: &World, cursor: Option<HomeCursor>, newer_than: Option<Mark>, limit: usize) -> HomePage {
    let request = HomeRequest {
        reader: READER,
        limit,
        cursor,
        newer_than,
    };
    world.service.home(request, deadline()).await.unwrap()
}

fn ids(page: &HomePage) -> impl Iterator<Item = TweetId> {
    page.tweets.iter().map(|tweet| tweet.id)
}

#[tokio::test]
async fn it_shows_all_once_and_a_poll_from_it_misses_nothing() {
    let world = World::new(Graph::default(), TimelineReadSettings::default());
    let mut posted = Vec::new();
    for _ in 0..150 {
        posted.insert(0, world.post().await);
    }
    let first = page(&world, None, None, 1).await;
    let late = world.post().await;
    let mut scrolled: Vec<TweetId> = ids(&first).collect();
    let mut next = first.next.clone();
    while let Some(cursor) = next {
        let page = page(&world, Some(cursor), None, 1).await;
        scrolled.extend(ids(&page));
        next = page.next;
    }
    assert_eq!(scrolled, posted);
    let polled = page(&world, None, Some(first.newest), 100).await;
    assert_eq!(ids(&polled).next(), Some(late));
    assert!(ids(&polled).is_sorted_by(|newer, older| newer > older));
}

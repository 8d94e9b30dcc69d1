//! The contract of `TweetCounts`.

#![expect(missing_docs, reason = "a rule is named by what it says")]
#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use model::{AuthorTweets, UserId};
use storage::TweetCounts;

use crate::support::{TweetBackend, deadline};

/// Runs the contract of `TweetCounts` against an adapter. `$make` is an async function that answers a fresh
/// [`TweetBackend`](crate::TweetBackend).
#[macro_export]
macro_rules! tweet_counts_contract {
    ($make:path) => {
        $crate::contract! { $make, tweet_counts:
            posts_and_deletes_change_the_count_of_their_author,
            an_author_is_told_once_with_the_newest_count,
            no_more_authors_are_told_than_were_asked_for,
            what_is_taken_is_not_told_again,
            what_is_not_taken_is_told_to_whoever_opens_the_store_next,
            a_change_after_the_telling_is_told,
            versions_rise_and_an_older_count_taken_late_hides_no_newer,
            it_waits_for_the_first_change,
        }
    };
}

/// How long a test waits for what must come.
const LONG: Duration = Duration::from_mins(1);
/// And for what must not.
const SHORT: Duration = Duration::from_millis(50);

/// The newest counts that are told before nothing more is, each of them taken.
async fn take_all(counts: &dyn TweetCounts) -> Vec<(u64, u64)> {
    let mut newest: BTreeMap<u64, AuthorTweets> = BTreeMap::new();
    let mut wait = LONG;
    loop {
        let changed = counts.changed(100, wait).await.unwrap();
        if changed.is_empty() {
            return newest.iter().map(|(author, tweets)| (*author, tweets.count)).collect();
        }
        for (author, tweets) in &changed {
            let known = newest.entry(author.get()).or_insert(*tweets);
            if tweets.version > known.version {
                *known = *tweets;
            }
        }
        counts.taken(&changed, deadline()).await.unwrap();
        wait = SHORT;
    }
}

fn plain(changed: &[(UserId, AuthorTweets)]) -> Vec<(u64, u64)> {
    let mut plain: Vec<_> = changed
        .iter()
        .map(|(author, tweets)| (author.get(), tweets.count))
        .collect();
    plain.sort_unstable();
    plain
}

pub async fn posts_and_deletes_change_the_count_of_their_author(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let first = ports.post(1).await;
    ports.post(1).await;
    ports.post(2).await;
    assert_eq!(take_all(&*ports.counts).await, [(1, 2), (2, 1)]);
    ports.delete(1, first).await.unwrap();
    ports.delete(1, first).await.unwrap();
    let after_deletes = take_all(&*ports.counts).await;
    assert_eq!(after_deletes, [(1, 1)], "deleting twice counts once");
}

pub async fn an_author_is_told_once_with_the_newest_count(backend: impl TweetBackend) {
    let ports = backend.open().await;
    for _ in 0..3 {
        ports.post(1).await;
        ports.post(2).await;
    }
    let first = ports.post(1).await;
    ports.delete(1, first).await.unwrap();
    let changed = ports.counts.changed(3, LONG).await.unwrap();
    assert_eq!(plain(&changed), [(1, 3), (2, 3)]);
    ports.counts.taken(&changed, deadline()).await.unwrap();
    assert_eq!(ports.counts.changed(3, SHORT).await.unwrap(), []);
}

pub async fn no_more_authors_are_told_than_were_asked_for(backend: impl TweetBackend) {
    let ports = backend.open().await;
    for author in 1..=7 {
        ports.post(author).await;
        ports.post(author).await;
    }
    let mut told = Vec::new();
    while told.len() < 7 {
        let changed = ports.counts.changed(3, LONG).await.unwrap();
        assert!((1..=3).contains(&changed.len()), "{changed:?}");
        ports.counts.taken(&changed, deadline()).await.unwrap();
        told.extend(plain(&changed));
    }
    told.sort_unstable();
    assert_eq!(told, [1, 2, 3, 4, 5, 6, 7].map(|author| (author, 2)));
    assert_eq!(ports.counts.changed(3, SHORT).await.unwrap(), []);
}

pub async fn what_is_taken_is_not_told_again(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    assert_eq!(take_all(&*ports.counts).await, [(1, 1)]);
    assert_eq!(ports.counts.changed(10, SHORT).await.unwrap(), []);
    drop(ports);
    let ports = backend.open().await;
    assert_eq!(ports.counts.changed(10, SHORT).await.unwrap(), []);
}

pub async fn what_is_not_taken_is_told_to_whoever_opens_the_store_next(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    ports.post(2).await;
    let told = ports.counts.changed(10, LONG).await.unwrap();
    assert_eq!(plain(&told), [(1, 1), (2, 1)]);
    drop(ports);
    let ports = backend.open().await;
    assert_eq!(take_all(&*ports.counts).await, [(1, 1), (2, 1)]);
}

pub async fn a_change_after_the_telling_is_told(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    let changed = ports.counts.changed(10, LONG).await.unwrap();
    assert_eq!(changed.len(), 1);
    ports.post(1).await;
    ports.counts.taken(&changed, deadline()).await.unwrap();
    assert_eq!(take_all(&*ports.counts).await, [(1, 2)]);
}

pub async fn versions_rise_and_an_older_count_taken_late_hides_no_newer(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    let older = ports.counts.changed(10, LONG).await.unwrap();
    ports.post(1).await;
    let newer = ports.counts.changed(10, LONG).await.unwrap();
    assert_eq!((older[0].0, newer[0].0), (UserId::new(1), UserId::new(1)));
    assert!(older[0].1.version < newer[0].1.version);
    ports.post(1).await;
    ports.counts.taken(&newer, deadline()).await.unwrap();
    ports.counts.taken(&older, deadline()).await.unwrap();
    assert_eq!(take_all(&*ports.counts).await, [(1, 3)]);
}

pub async fn it_waits_for_the_first_change(backend: impl TweetBackend) {
    let ports = backend.open().await;
    assert_eq!(ports.counts.changed(10, Duration::ZERO).await.unwrap(), []);
    let counts = ports.counts.clone();
    let waiting = tokio::spawn(async move { counts.changed(10, LONG).await.unwrap() });
    tokio::task::yield_now().await;
    ports.post(7).await;
    let changed = waiting.await.unwrap();
    assert_eq!((changed[0].0, changed[0].1.count), (UserId::new(7), 1));
}

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

/// The newest counts that are told before nothing more is; takes them if `taken`.
async fn told(counts: &dyn TweetCounts, taken: bool) -> BTreeMap<u64, AuthorTweets> {
    let mut newest: BTreeMap<u64, AuthorTweets> = BTreeMap::new();
    let mut wait = LONG;
    loop {
        let changed = counts.changed(100, wait).await.unwrap();
        if changed.is_empty() {
            return newest;
        }
        for (author, tweets) in &changed {
            let known = newest.entry(author.get()).or_insert(*tweets);
            if tweets.version > known.version {
                *known = *tweets;
            }
        }
        if taken {
            counts.taken(&changed, deadline()).await.unwrap();
        } else if newest.len() == changed.len() {
            // What is not taken may be told over and over.
            return newest;
        }
        wait = SHORT;
    }
}

fn plain(told: &BTreeMap<u64, AuthorTweets>) -> Vec<(u64, u64)> {
    told.iter().map(|(author, tweets)| (*author, tweets.count)).collect()
}

pub async fn posts_and_deletes_change_the_count_of_their_author(backend: impl TweetBackend) {
    let ports = backend.open().await;
    let first = ports.post(1).await;
    ports.post(1).await;
    ports.post(2).await;
    assert_eq!(plain(&told(&*ports.counts, true).await), [(1, 2), (2, 1)]);
    ports.delete(1, first).await.unwrap();
    ports.delete(1, first).await.unwrap();
    assert_eq!(
        plain(&told(&*ports.counts, true).await),
        [(1, 1)],
        "deleting twice counts once"
    );
}

pub async fn what_is_taken_is_not_told_again(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    assert_eq!(plain(&told(&*ports.counts, true).await), [(1, 1)]);
    assert_eq!(ports.counts.changed(10, SHORT).await.unwrap(), []);
    drop(ports);
    let ports = backend.open().await;
    assert_eq!(ports.counts.changed(10, SHORT).await.unwrap(), []);
}

pub async fn what_is_not_taken_is_told_to_whoever_opens_the_store_next(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    ports.post(2).await;
    let told_first = told(&*ports.counts, false).await;
    assert!(!told_first.is_empty());
    drop(ports);
    let ports = backend.open().await;
    assert_eq!(plain(&told(&*ports.counts, true).await), [(1, 1), (2, 1)]);
}

pub async fn a_change_after_the_telling_is_told(backend: impl TweetBackend) {
    let ports = backend.open().await;
    ports.post(1).await;
    let changed = ports.counts.changed(10, LONG).await.unwrap();
    assert_eq!(changed.len(), 1);
    ports.post(1).await;
    ports.counts.taken(&changed, deadline()).await.unwrap();
    assert_eq!(plain(&told(&*ports.counts, true).await), [(1, 2)]);
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
    assert_eq!(plain(&told(&*ports.counts, true).await), [(1, 3)]);
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

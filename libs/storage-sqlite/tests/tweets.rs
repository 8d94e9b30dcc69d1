//! What `SQLite` promises beyond the contracts.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::{Author, EPOCH_MS, ManualClock, TweetId, UserId, WorkerId};
use rusqlite::Connection;
use storage::{
    Deadline, EventLog, IdempotencyKey, InsertTweetError, Inserted, NewTweet, Receipt, StoreError, TweetCounts,
    TweetStore,
};
use storage_sqlite::{OpenError, SqliteTweets, TweetOptions};

fn options() -> TweetOptions {
    TweetOptions::new(WorkerId::new(1).unwrap())
}

fn open_with(dir: &Path, options: TweetOptions) -> Arc<SqliteTweets> {
    SqliteTweets::open(dir, Arc::new(ManualClock::new(EPOCH_MS + 1_000_000)), options).unwrap()
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

fn new_tweet() -> NewTweet {
    NewTweet {
        author: Author {
            id: UserId::new(1),
            handle: "ada".into(),
            display_name: "Ada".into(),
        },
        text: "t".into(),
        in_reply_to: None,
        trace: None,
        idempotency: None,
    }
}

async fn post(store: &SqliteTweets) -> TweetId {
    store.insert(new_tweet(), deadline()).await.unwrap().tweet().id
}

async fn take_all(store: &SqliteTweets) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    loop {
        let received = store.receive(1_000, Duration::ZERO).await.unwrap();
        if received.is_empty() {
            return receipts;
        }
        receipts.extend(received.into_iter().map(|received| received.receipt));
    }
}

async fn take_all_counts(store: &SqliteTweets) {
    loop {
        let changed = store.changed(1_000, Duration::ZERO).await.unwrap();
        if changed.is_empty() {
            return;
        }
        store.taken(&changed, deadline()).await.unwrap();
    }
}

fn count(dir: &Path, table: &str) -> u32 {
    let connection = Connection::open(dir.join("tweets.db")).unwrap();
    connection
        .query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))
        .unwrap()
}

#[tokio::test]
async fn a_clean_shutdown_keeps_what_was_acknowledged_and_drops_events_that_all_are_done_with() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), options());
    for _ in 0..10 {
        post(&store).await;
    }
    let receipts = take_all(&store).await;
    assert_eq!(receipts.len(), 10);
    store.acknowledge(&receipts[..6]).await.unwrap();
    store.acknowledge(&receipts[7..]).await.unwrap();
    take_all_counts(&store).await;
    drop(store);
    assert_eq!(count(dir.path(), "events"), 4);
    let store = open_with(dir.path(), options());
    assert_eq!(take_all(&store).await.len(), 4);
}

#[tokio::test]
async fn places_are_not_used_again_when_the_outbox_is_empty() {
    let dir = tempfile::tempdir().unwrap();
    let mut last = None;
    for _ in 0..3 {
        let store = open_with(dir.path(), options());
        post(&store).await;
        let receipts = take_all(&store).await;
        assert_eq!(receipts.len(), 1);
        assert!(last < receipts.last().copied());
        last = receipts.last().copied();
        store.acknowledge(&receipts).await.unwrap();
        take_all_counts(&store).await;
        drop(store);
        assert_eq!(count(dir.path(), "events"), 0);
    }
}

#[tokio::test]
async fn posts_are_refused_while_fan_out_is_too_far_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options();
    options.max_backlog = 3;
    let store = open_with(dir.path(), options);
    for _ in 0..3 {
        post(&store).await;
    }
    let refusal = store.insert(new_tweet(), deadline()).await.unwrap_err();
    assert!(matches!(
        refusal,
        InsertTweetError::Store(StoreError::Overloaded { .. })
    ));
    let receipts = take_all(&store).await;
    store.acknowledge(&receipts[1..2]).await.unwrap();
    post(&store).await;
}

#[tokio::test]
async fn expired_keys_are_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(EPOCH_MS + 1_000_000));
    let store = SqliteTweets::open(dir.path(), clock.clone(), options()).unwrap();
    for n in 0..40 {
        let mut tweet = new_tweet();
        tweet.idempotency = Some(IdempotencyKey {
            account: UserId::new(1),
            operation: "POST /v1/tweets".into(),
            key: n.to_string(),
            body_digest: [0; 32],
        });
        let inserted = store.insert(tweet, deadline()).await.unwrap();
        assert!(matches!(inserted, Inserted::Accepted(..)));
        clock.advance(24 * 3_600_000 / 10);
    }
    drop(store);
    assert!((10..=11).contains(&count(dir.path(), "idempotency")));
}

#[tokio::test]
async fn a_file_of_a_younger_build_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_with(dir.path(), options()));
    let connection = Connection::open(dir.path().join("tweets.db")).unwrap();
    connection.pragma_update(None, "user_version", 1_000).unwrap();
    let clock = Arc::new(ManualClock::new(EPOCH_MS));
    let refusal = SqliteTweets::open(dir.path(), clock, options()).err().unwrap();
    assert!(matches!(refusal, OpenError::TooNew { found: 1_000, .. }));
}

#[tokio::test]
async fn pages_of_an_author_are_read_from_the_index_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(open_with(dir.path(), options()));
    let connection = Connection::open(dir.path().join("tweets.db")).unwrap();
    let plan: String = connection
        .query_row(
            "EXPLAIN QUERY PLAN SELECT id FROM tweets INDEXED BY tweets_by_author
             WHERE author = 1 AND id >= 2 AND id < 3 AND deleted_at_ms IS NULL ORDER BY id DESC LIMIT 4",
            [],
            |row| row.get("detail"),
        )
        .unwrap();
    assert_eq!(
        plan,
        "SEARCH tweets USING COVERING INDEX tweets_by_author (author=? AND deleted_at_ms=? AND rowid>? AND rowid<?)"
    );
}

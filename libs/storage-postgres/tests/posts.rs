//! Posts: done once, refused when there is too much, there when they were acknowledged; and what is kept for a time only.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::Clock as _;
use model::{Author, AuthorRange, IdRange, ManualClock, Position, SystemClock, TweetId, UserId};
use storage::{
    Deadline, DeleteTweet, IdempotencyKey, InsertTweetError, Inserted, NewTweet, Outbox, StoreError, TweetStore,
};
use storage_postgres::{PostgresPool, PostgresTweets, Pruned, TweetOptions};
use support::TestDatabase;

const LONG: Duration = Duration::from_secs(30);
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

fn deadline() -> Deadline {
    Deadline::after(LONG)
}

fn now() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(SystemClock.unix_ms()))
}

async fn open(pool: &PostgresPool, options: TweetOptions) -> Arc<PostgresTweets> {
    PostgresTweets::open(pool.clone(), now(), options).await.unwrap()
}

fn tweet(author: u64, key: Option<&str>) -> NewTweet {
    NewTweet {
        author: Author {
            id: UserId::new(author),
            handle: format!("u{author}"),
            display_name: format!("User {author}"),
        },
        text: format!("text of {author}"),
        in_reply_to: None,
        trace: None,
        idempotency: key.map(|key| IdempotencyKey {
            account: UserId::new(author),
            operation: "POST /v1/tweets".to_owned(),
            key: key.to_owned(),
            body_digest: [7; 32],
        }),
    }
}

fn is_overload(outcome: &Result<Inserted, InsertTweetError>) -> bool {
    matches!(outcome, Err(InsertTweetError::Store(StoreError::Overloaded { .. })))
}

async fn count(database: &TestDatabase, table: &str) -> i64 {
    let sql = format!("SELECT count(*) FROM {table}");
    database.client().await.query_one(&sql, &[]).await.unwrap().get(0)
}

macro_rules! database {
    () => {
        match support::server_url() {
            Some(server) => TestDatabase::migrated(server).await,
            None => return,
        }
    };
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_is_sent_to_two_processes_at_once_is_done_once() {
    let database = database!();
    let pool = database.pool().await;
    let stores = [
        open(&pool, TweetOptions::default()).await,
        open(&pool, TweetOptions::default()).await,
    ];
    for round in 0..10 {
        let keys: Vec<String> = (0..5).map(|number| format!("{round}-{number}")).collect();
        // In one order by one process and in the other by the other.
        let all = (0..40_usize).map(|n| {
            let key = if n % 2 == 0 {
                &keys[n / 2 % 5]
            } else {
                &keys[4 - n / 2 % 5]
            };
            let inserting = stores[n % 2].insert(tweet(1, Some(key)), deadline());
            async move { (key, inserting.await.unwrap()) }
        });
        let all = futures::future::join_all(all).await;
        for key in &keys {
            let of_key: Vec<&Inserted> = all
                .iter()
                .filter(|(of, _)| *of == key)
                .map(|(_, inserted)| inserted)
                .collect();
            let accepted = of_key
                .iter()
                .filter(|one| matches!(one, Inserted::Accepted(..)))
                .count();
            assert_eq!(accepted, 1, "{key}");
            assert_eq!(
                of_key.iter().map(|one| one.tweet().id).collect::<BTreeSet<_>>().len(),
                1,
                "{key}"
            );
        }
    }
    assert_eq!(count(&database, "tweets").await, 50);
    assert_eq!(count(&database, "outbox").await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_key_with_two_bodies_at_once_is_a_conflict_for_one_of_them() {
    let database = database!();
    let store = open(&database.pool().await, TweetOptions::default()).await;
    let mut other = tweet(1, Some("key"));
    other.idempotency.as_mut().unwrap().body_digest = [8; 32];
    let (one, other) = tokio::join!(
        store.insert(tweet(1, Some("key")), deadline()),
        store.insert(other, deadline())
    );
    let conflicts = [one, other]
        .iter()
        .filter(|one| matches!(one, Err(InsertTweetError::Idempotency(_))))
        .count();
    assert_eq!((conflicts, count(&database, "tweets").await), (1, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_posts_than_may_wait_are_refused_at_once() {
    let database = database!();
    let pool = database.pool().await;
    let options = TweetOptions {
        queue_bound: 10,
        batch: 1,
        ..TweetOptions::default()
    };
    let store = open(&pool, options).await;
    let mut client = database.client().await;
    let lock = client.transaction().await.unwrap();
    lock.execute("SELECT FROM ingest_workers FOR UPDATE", &[])
        .await
        .unwrap();
    let all: Vec<_> = (0..50)
        .map(|author| {
            let store = store.clone();
            tokio::spawn(async move { store.insert(tweet(author, None), deadline()).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(300)).await;
    lock.commit().await.unwrap();
    let outcomes = futures::future::join_all(all).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let refused = outcomes.iter().filter(|outcome| is_overload(outcome)).count();
    let accepted = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(refused >= 39, "{refused}");
    assert_eq!(refused + accepted, 50);
    assert_eq!(count(&database, "tweets").await, i64::try_from(accepted).unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn posts_are_refused_while_fan_out_has_too_much_before_it() {
    let database = database!();
    let options = TweetOptions {
        max_backlog: 5,
        ..TweetOptions::default()
    };
    let store = open(&database.pool().await, options).await;
    let until = Instant::now() + LONG;
    while !is_overload(&store.insert(tweet(1, None), deadline()).await) {
        assert!(Instant::now() < until);
    }
    let outstanding = store
        .outstanding(Duration::ZERO, Position(0), 100_000, deadline())
        .await;
    let positions: Vec<_> = outstanding.unwrap().iter().map(|one| one.event.position).collect();
    assert!(positions.len() >= 5);
    store.done(&positions, deadline()).await.unwrap();
    while store.insert(tweet(1, None), deadline()).await.is_err() {
        assert!(Instant::now() < until);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_backlog_is_estimated() {
    let database = database!();
    let store = open(&database.pool().await, TweetOptions::default()).await;
    let fill = "INSERT INTO outbox (format, kind, tweet, author) SELECT 1, 0, n, n FROM generate_series(1, 40000) AS n;
        DELETE FROM outbox WHERE position BETWEEN 101 AND 20100;";
    database.client().await.batch_execute(fill).await.unwrap();
    let events = store.backlog(deadline()).await.unwrap().events;
    assert!((10_000..=40_000).contains(&events), "{events}");
    database
        .client()
        .await
        .batch_execute("DELETE FROM outbox WHERE position > 105")
        .await
        .unwrap();
    assert_eq!(store.backlog(deadline()).await.unwrap().events, 100);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_whatever_becomes_of_connections() {
    let database = database!();
    let store = open(&database.pool().await, TweetOptions::default()).await;
    let posting: Vec<_> = (0..8)
        .map(|author| {
            let store = store.clone();
            tokio::spawn(async move {
                let (mut done, mut failed) = (Vec::new(), 0);
                for _ in 0..60 {
                    match store.insert(tweet(author, None), deadline()).await {
                        Ok(inserted) => done.push(inserted.tweet().id),
                        Err(InsertTweetError::Store(error)) if error.is_transient() => failed += 1,
                        Err(error) => panic!("{error}"),
                    }
                }
                (done, failed)
            })
        })
        .collect();
    let client = database.client().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    while !posting.iter().all(tokio::task::JoinHandle::is_finished) {
        client.execute(cut, &[]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let (mut acknowledged, mut failed) = (Vec::new(), 0);
    for one in posting {
        let (done, failures) = one.await.unwrap();
        acknowledged.extend(done);
        failed += failures;
    }
    assert_eq!(
        acknowledged.iter().collect::<BTreeSet<_>>().len(),
        acknowledged.len(),
        "no id twice"
    );
    let until = Instant::now() + LONG;
    while store.insert(tweet(9, None), deadline()).await.is_err() {
        assert!(Instant::now() < until, "it goes on when the server does");
    }
    let there = store.get(&acknowledged, deadline()).await.unwrap();
    assert!(there.iter().all(Option::is_some));
    let rows = usize::try_from(count(&database, "tweets").await).unwrap();
    assert!(
        (acknowledged.len() + 1..=acknowledged.len() + failed + 1).contains(&rows),
        "{rows}"
    );
    assert_eq!(count(&database, "outbox").await, count(&database, "tweets").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_at_the_same_time_get_what_each_has_asked_for() {
    let database = database!();
    let store = PostgresTweets::open(database.pool().await, now(), TweetOptions::default())
        .await
        .unwrap();
    let mut written: Vec<(u64, TweetId)> = Vec::new();
    for number in 0..120 {
        let author = 1 + number % 10;
        written.push((
            author,
            store.insert(tweet(author, None), deadline()).await.unwrap().tweet().id,
        ));
    }
    let reads = (1..=200_u64).map(|number| {
        let (first, last) = (number % 10 + 1, (number % 10 + number % 7 + 1).min(10));
        let (limit, below) = (
            usize::try_from(number % 9 + 1).unwrap(),
            written[usize::try_from(number % 120).unwrap()].1,
        );
        let sources: Vec<AuthorRange> = (first..=last)
            .map(|author| AuthorRange {
                author: UserId::new(author),
                range: IdRange::ALL,
            })
            .collect();
        let mut expected: Vec<TweetId> = written
            .iter()
            .filter(|(author, id)| (first..=last).contains(author) && *id < below)
            .map(|(_, id)| *id)
            .collect();
        expected.reverse();
        let store = &store;
        async move {
            let page = store.page(&sources, below, limit, deadline()).await.unwrap();
            let found: Vec<TweetId> = page.entries.iter().map(|entry| entry.id).collect();
            assert!(
                found.len() >= limit.min(expected.len()),
                "{number}: {found:?} of {expected:?}"
            );
            assert!(expected.starts_with(&found), "{number}: {found:?} of {expected:?}");
        }
    });
    futures::future::join_all(reads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_kept_for_a_day_and_tombstones_for_thirty() {
    let database = database!();
    let (pool, clock) = (database.pool().await, now());
    let store = PostgresTweets::open(pool, clock.clone(), TweetOptions::default())
        .await
        .unwrap();
    let mut ids: Vec<TweetId> = Vec::new();
    for number in 0..6 {
        let key = number.to_string();
        ids.push(store.insert(tweet(1, Some(&key)), deadline()).await.unwrap().tweet().id);
    }
    for id in &ids[..4] {
        let delete = DeleteTweet {
            id: *id,
            by: UserId::new(1),
            trace: None,
            idempotency: None,
        };
        store.delete(delete, deadline()).await.unwrap();
    }
    let pruned = |keys, tombstones| Pruned { keys, tombstones };
    clock.advance(DAY_MS - 1);
    assert_eq!(store.prune(100, deadline()).await.unwrap(), pruned(0, 0));
    clock.advance(1);
    assert_eq!(
        store.prune(4, deadline()).await.unwrap(),
        pruned(4, 0),
        "at most so many"
    );
    assert_eq!(store.prune(4, deadline()).await.unwrap(), pruned(2, 0));
    clock.advance(29 * DAY_MS);
    assert_eq!(store.prune(3, deadline()).await.unwrap(), pruned(0, 3));
    assert_eq!(store.prune(3, deadline()).await.unwrap(), pruned(0, 1));
    let left = store.get(&ids, deadline()).await.unwrap();
    assert_eq!(left.iter().flatten().count(), 2);
    assert_eq!(count(&database, "tweets").await, 2);
}

#[tokio::test]
async fn what_was_committed_before_the_clock_was_set_back_is_outstanding() {
    let Some(server) = support::server_url() else { return };
    let database = TestDatabase::migrated(server).await;
    let rows = "INSERT INTO outbox (format, kind, tweet, author, committed_at)
        VALUES (1, 0, 1, 1, clock_timestamp() + interval '1 hour'), (1, 0, 2, 1, clock_timestamp())";
    database.client().await.batch_execute(rows).await.unwrap();
    let outbox = PostgresTweets::open_read_only(database.pool().await, now());
    let min_age = Duration::from_mins(1);
    let outstanding = outbox.outstanding(min_age, Position(0), 10, deadline()).await.unwrap();
    let tweets: Vec<_> = outstanding.iter().map(|one| one.event.body.tweet()).collect();
    assert_eq!(tweets, [TweetId::new(1)]);
    assert!(outstanding[0].age > min_age);
}

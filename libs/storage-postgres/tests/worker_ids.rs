//! Worker ids are leased, ids are drawn above every floor, and nothing comes in below what is settled.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{Author, Clock, ManualClock, Position, SystemClock, TweetId, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{AsideTweet, Deadline, InsertTweetError, NewTweet, Outbox, StoreError, TweetStore};
use storage_postgres::{PostgresPool, PostgresTweets, TweetOptions};
use support::TestDatabase;

const LONG: Duration = Duration::from_secs(30);

fn deadline() -> Deadline {
    Deadline::after(LONG)
}

async fn open(pool: &PostgresPool, clock: &Arc<ManualClock>) -> Arc<PostgresTweets> {
    PostgresTweets::open(pool.clone(), clock.clone(), TweetOptions::default())
        .await
        .unwrap()
}

fn now() -> Arc<ManualClock> {
    Arc::new(ManualClock::new(SystemClock.unix_ms()))
}

fn tweet(author: u64) -> NewTweet {
    NewTweet {
        author: Author {
            id: UserId::new(author),
            handle: format!("u{author}"),
            display_name: format!("User {author}"),
        },
        text: "text".to_owned(),
        in_reply_to: None,
        trace: None,
        idempotency: None,
    }
}

async fn insert(store: &PostgresTweets) -> Result<TweetId, StoreError> {
    match store.insert(tweet(1), deadline()).await {
        Ok(inserted) => Ok(inserted.tweet().id),
        Err(InsertTweetError::Store(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

/// The first id that is accepted: what is refused before must be worth trying again.
async fn insert_at_last(store: &PostgresTweets) -> TweetId {
    let until = Instant::now() + LONG;
    loop {
        match insert(store).await {
            Ok(id) => return id,
            Err(error) => assert!(error.is_transient() && Instant::now() < until, "{error}"),
        }
    }
}

fn worker(id: TweetId) -> u64 {
    id.get() >> 12 & 1_023
}

/// What is settled now, not a moment ago.
async fn settled(pool: &PostgresPool) -> TweetId {
    let fresh = PostgresTweets::open_read_only(pool.clone(), now());
    fresh.settled(deadline()).await.unwrap().below
}

async fn all_done(store: &PostgresTweets) {
    let outstanding = store
        .outstanding(Duration::ZERO, Position(0), 100_000, deadline())
        .await;
    let positions: Vec<_> = outstanding.unwrap().iter().map(|one| one.event.position).collect();
    store.done(&positions, deadline()).await.unwrap();
}

async fn settles_above(pool: &PostgresPool, id: TweetId) {
    settles_at(pool, id.next()).await;
}

async fn settles_at(pool: &PostgresPool, id: TweetId) {
    let until = Instant::now() + LONG;
    while settled(pool).await < id {
        assert!(Instant::now() < until, "what is done does not become settled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
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
async fn trap_16_processes_that_start_together_never_share_a_worker_id() {
    let database = database!();
    let pool = database.pool().await;
    let clock = now();
    let stores = futures::future::join_all((0..6).map(|_| open(&pool, &clock))).await;
    let all = stores.iter().flat_map(|store| (0..50).map(move |_| insert(store)));
    let ids = futures::future::join_all(all).await;
    let ids: Vec<TweetId> = ids.into_iter().collect::<Result<_, _>>().unwrap();
    let workers: Vec<BTreeSet<u64>> = ids
        .chunks(50)
        .map(|ids| ids.iter().copied().map(worker).collect())
        .collect();
    assert!(workers.iter().all(|of_one| of_one.len() == 1), "{workers:?}");
    assert_eq!(
        workers.iter().flatten().collect::<BTreeSet<_>>().len(),
        6,
        "{workers:?}"
    );
    assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), 300);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_id_that_was_given_back_goes_on_above_its_last_id() {
    let database = database!();
    let pool = database.pool().await;
    let clock = now();
    let first = open(&pool, &clock).await;
    let last = insert(&first).await.unwrap();
    assert!(first.close(LONG).await);
    let leases = database
        .client()
        .await
        .query("SELECT FROM ingest_workers", &[])
        .await
        .unwrap();
    assert!(leases.is_empty());
    clock.set(clock.unix_ms() - 1_000);
    let second = open(&pool, &clock).await;
    let next = insert(&second).await.unwrap();
    assert_eq!(worker(next), worker(last));
    assert!(next > last);
    assert!(insert(&first).await.is_err(), "a store that was closed accepts nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_whose_lease_has_ended_commits_nothing_under_it() {
    let database = database!();
    let pool = database.pool().await;
    let clock = now();
    let stopped = open(&pool, &clock).await;
    let before = insert(&stopped).await.unwrap();
    let end = "UPDATE ingest_workers SET expires_at = clock_timestamp() - interval '1 second'";
    database.client().await.batch_execute(end).await.unwrap();
    let taker = open(&pool, &clock).await;
    let taken = insert(&taker).await.unwrap();
    let again = insert_at_last(&stopped).await;
    assert_ne!(worker(again), worker(taken));
    let ids = database
        .client()
        .await
        .query("SELECT id FROM tweets", &[])
        .await
        .unwrap();
    let ids: BTreeSet<i64> = ids.iter().map(|row| row.get(0)).collect();
    let acknowledged = [before, taken, again].map(|id| i64::try_from(id.get()).unwrap());
    assert_eq!(ids, BTreeSet::from(acknowledged), "what was refused is not there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_committed_at_or_below_the_floor() {
    let database = database!();
    let pool = database.pool().await;
    let clock = now();
    let store = open(&pool, &clock).await;
    insert(&store).await.unwrap();
    let floor = TweetId::first_at(clock.unix_ms() + 1_500);
    let raise = "UPDATE ingest_workers SET floor = $1";
    let raised = database
        .client()
        .await
        .execute(raise, &[&i64::try_from(floor.get()).unwrap()])
        .await;
    assert_eq!(raised.unwrap(), 1);
    assert!(insert_at_last(&store).await > floor);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_begins_behind_others_draws_above_them() {
    let database = database!();
    let pool = database.pool().await;
    let (ahead, behind) = (now(), now());
    behind.set(ahead.unix_ms() - 1_500);
    // The one with the higher number has the floor that the one with the lower number must respect.
    let lower = open(&pool, &ahead).await;
    let higher = open(&pool, &ahead).await;
    assert!(lower.close(LONG).await);
    let highest = insert(&higher).await.unwrap();
    let begun = open(&pool, &behind).await;
    let first = insert(&begun).await.unwrap();
    assert!(worker(first) < worker(highest));
    assert!(first > highest);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_was_set_back_refuses_until_it_has_caught_up() {
    let database = database!();
    let pool = database.pool().await;
    let clock = now();
    let store = open(&pool, &clock).await;
    let last = insert(&store).await.unwrap();
    clock.set(clock.unix_ms() - 60_000);
    assert!(insert(&store).await.unwrap_err().is_transient());
    assert!(store.close(LONG).await);
    let store = open(&pool, &clock).await;
    assert!(
        insert(&store).await.unwrap_err().is_transient(),
        "a restart changes nothing"
    );
    clock.advance(60_000);
    assert!(insert(&store).await.unwrap() > last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_takes_long_holds_back_what_is_settled() {
    let database = database!();
    let pool = database.pool().await;
    let clock = now();
    let (slow, quick) = (open(&pool, &clock).await, open(&pool, &clock).await);
    let id = insert(&slow).await.unwrap();
    let mut client = database.client().await;
    let lock = client.transaction().await.unwrap();
    let row = "SELECT FROM ingest_workers WHERE worker_id = $1 FOR UPDATE";
    lock.execute(row, &[&i16::try_from(worker(id)).unwrap()]).await.unwrap();
    let waiting = tokio::spawn({
        let slow = slow.clone();
        async move { insert(&slow).await }
    });
    for _ in 0..10 {
        insert(&quick).await.unwrap();
        all_done(&quick).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let below = settled(&pool).await;
    lock.commit().await.unwrap();
    if let Ok(id) = waiting.await.unwrap() {
        assert!(id >= below);
    }
    let last = insert_at_last(&quick).await;
    all_done(&quick).await;
    clock.advance(1_000);
    settles_above(&pool, last).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_died_holds_back_what_is_settled_only_until_its_lease_ends() {
    let database = database!();
    let pool = database.pool().await;
    let dead = "INSERT INTO ingest_workers (worker_id, holder, floor, expires_at)
        VALUES (7, gen_random_uuid(), 1, clock_timestamp() + interval '1 second')";
    database.client().await.batch_execute(dead).await.unwrap();
    let store = open(&pool, &now()).await;
    let id = insert(&store).await.unwrap();
    all_done(&store).await;
    assert_eq!(settled(&pool).await, TweetId::new(2));
    settles_above(&pool, id).await;
}

/// A clock that is wrong by so many milliseconds, give or take.
struct Skewed(u64, i64);

impl Clock for Skewed {
    fn unix_ms(&self) -> u64 {
        let jitter = SystemClock.unix_ms() * 7_919 % self.0.max(1);
        (SystemClock.unix_ms() + jitter).saturating_add_signed(self.1)
    }
}

/// Accepts tweets in a process that starts and ends again and again.
async fn accept(pool: PostgresPool, seed: u64, highest_settled: Arc<AtomicU64>, over: Arc<AtomicBool>) -> u64 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut accepted = 0;
    while !over.load(Ordering::SeqCst) {
        let clock = Arc::new(Skewed(random.random_range(0..50), random.random_range(-900..900)));
        let store = PostgresTweets::open(pool.clone(), clock, TweetOptions::default());
        let store = store.await.unwrap();
        for _ in 0..random.random_range(0..20) {
            let below = highest_settled.load(Ordering::SeqCst);
            let many = random.random_range(1..8);
            for id in futures::future::join_all((0..many).map(|_| insert(&store))).await {
                let id = match id {
                    Ok(id) => id.get(),
                    Err(error) if error.is_transient() => continue,
                    Err(error) => panic!("{error}"),
                };
                assert!(id >= below, "{id} came in below {below}");
                accepted += 1;
            }
            tokio::time::sleep(Duration::from_millis(random.random_range(0..30))).await;
        }
        if random.random_bool(0.7) {
            assert!(store.close(LONG).await);
        }
    }
    accepted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_comes_in_below_what_is_settled() {
    let database = database!();
    let pool = database.pool().await;
    let highest_settled = Arc::new(AtomicU64::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let accepting: Vec<_> = (0..4)
        .map(|seed| {
            let (highest_settled, over) = (highest_settled.clone(), over.clone());
            tokio::spawn(accept(pool.clone(), seed, highest_settled, over))
        })
        .collect();
    let reader = PostgresTweets::open_read_only(pool.clone(), now());
    let until = Instant::now() + Duration::from_secs(4);
    while Instant::now() < until {
        all_done(&reader).await;
        highest_settled.fetch_max(settled(&pool).await.get(), Ordering::SeqCst);
    }
    over.store(true, Ordering::SeqCst);
    let mut accepted = 0;
    for one in accepting {
        accepted += one.await.unwrap();
    }
    assert!(accepted > 0 && highest_settled.load(Ordering::SeqCst) > 0);
    let rows = database
        .client()
        .await
        .query_one("SELECT count(*), max(id) FROM tweets", &[])
        .await
        .unwrap();
    assert!(u64::try_from(rows.get::<_, i64>(0)).unwrap() >= accepted);
    all_done(&reader).await;
    settles_above(&pool, TweetId::new(u64::try_from(rows.get::<_, i64>(1)).unwrap())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_set_aside_holds_nothing_back_and_is_listed_until_it_is_done() {
    let database = database!();
    let pool = database.pool().await;
    let store = open(&pool, &now()).await;
    let (aside, next) = (insert(&store).await.unwrap(), insert(&store).await.unwrap());
    let outstanding = store.outstanding(Duration::ZERO, Position(0), 10, deadline()).await;
    let outstanding = outstanding.unwrap();
    let [first, second] = [0, 1].map(|at: usize| outstanding[at].event.position);
    store.set_aside(&[first], deadline()).await.unwrap();
    settles_at(&pool, next).await;
    let fresh = || PostgresTweets::open_read_only(pool.clone(), now());
    let listed = async || fresh().settled(deadline()).await.unwrap().aside.to_vec();
    let author = UserId::new(1);
    assert_eq!(listed().await, [AsideTweet { tweet: aside, author }]);
    assert_eq!(fresh().backlog(deadline()).await.unwrap().events, 2, "it is not done");
    store.set_tweets_aside(&[next], deadline()).await.unwrap();
    settles_above(&pool, next).await;
    assert_eq!(listed().await.len(), 2);
    store.done(&[first, second], deadline()).await.unwrap();
    settles_above(&pool, next).await;
    assert_eq!(listed().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_what_readers_look_up_what_is_set_aside_holds_back() {
    let database = database!();
    let pool = database.pool().await;
    let store = open(&pool, &now()).await;
    insert(&store).await.unwrap();
    let many = "INSERT INTO outbox (format, kind, tweet, author, aside)
        SELECT 1, 0, number, 1, true FROM generate_series(1, 1001) AS row (number)";
    database.client().await.batch_execute(many).await.unwrap();
    let settled = PostgresTweets::open_read_only(pool, now())
        .settled(deadline())
        .await
        .unwrap();
    assert_eq!(settled.below, TweetId::new(1_001));
    assert_eq!(settled.aside.len(), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_highest_id_is_known_whichever_clock_drew_it() {
    let database = database!();
    let pool = database.pool().await;
    let (behind, ahead) = (now(), now());
    ahead.advance(60_000);
    let (slow, fast) = (open(&pool, &behind).await, open(&pool, &ahead).await);
    let (high, low) = (insert(&fast).await.unwrap(), insert(&slow).await.unwrap());
    assert!(low < high);
    assert!(settled(&pool).await <= low, "what is settled bounds no id from above");
    assert!(slow.highest(deadline()).await.unwrap() >= high);
    assert!(fast.close(LONG).await, "it gives its worker id back");
    assert!(slow.highest(deadline()).await.unwrap() >= high);
}

//! How many tweets a second are made durable, by concurrency, and what pages cost.
//!
//! `ROOKERY_TEST_POSTGRES_URL=postgres://… cargo bench -p storage-postgres`. In a database of its own, which is dropped
//! afterwards; the server should have its durable defaults and its data on a disk.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{Author, AuthorRange, IdRange, Position, SystemClock, TweetId, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{Deadline, IdempotencyKey, NewTweet, Outbox, TweetCounts, TweetStore};
use storage_postgres::{PostgresTweets, TweetOptions};
use support::TestDatabase;

const AUTHORS: u64 = 200_000;
const RUN: Duration = Duration::from_secs(5);

fn main() {
    let Some(server) = support::server_url() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let database = TestDatabase::migrated(server).await;
        let pool = database.pool().await;
        let store = PostgresTweets::open(pool, Arc::new(SystemClock), TweetOptions::default());
        let store = store.await.unwrap();
        let background = [
            tokio::spawn(consume(Arc::clone(&store))),
            tokio::spawn(take_counts(Arc::clone(&store))),
        ];
        for callers in [1, 64, 512, 2_000] {
            measure_posts(&store, callers, false).await;
        }
        measure_posts(&store, 512, true).await;
        for (sources, limit) in [(1, 20), (75, 20), (75, 100), (5_000, 20)] {
            measure_pages(&store, sources, limit).await;
        }
        background.iter().for_each(tokio::task::JoinHandle::abort);
    });
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

/// As fan-out does, without its work.
async fn consume(store: Arc<PostgresTweets>) {
    loop {
        let outstanding = store.outstanding(Duration::ZERO, Position(0), 10_000, deadline());
        let positions: Vec<_> = outstanding
            .await
            .unwrap()
            .iter()
            .map(|one| one.event.position)
            .collect();
        store.done(&positions, deadline()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// As follow-graph does, without its work.
async fn take_counts(store: Arc<PostgresTweets>) {
    loop {
        let changed = store.changed(10_000, Duration::from_secs(1)).await.unwrap();
        store.taken(&changed, deadline()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn new_tweet(author: u64, key: Option<String>) -> NewTweet {
    NewTweet {
        author: Author {
            id: UserId::new(author),
            handle: format!("user{author}"),
            display_name: format!("User {author}"),
        },
        text: "A tweet of middling length, such as people write when they have something to say to the world.".into(),
        in_reply_to: None,
        trace: None,
        idempotency: key.map(|key| IdempotencyKey {
            account: UserId::new(author),
            operation: "POST /v1/tweets".to_owned(),
            key,
            body_digest: [7; 32],
        }),
    }
}

async fn measure_posts(store: &Arc<PostgresTweets>, callers: u64, with_keys: bool) {
    let posted = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let all: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, posted) = (Arc::clone(store), Arc::clone(&posted));
            tokio::spawn(async move {
                let mut dice = StdRng::seed_from_u64(caller);
                while started.elapsed() < RUN {
                    let number = posted.fetch_add(1, Ordering::Relaxed);
                    let tweet = new_tweet(dice.random_range(1..=AUTHORS), with_keys.then(|| number.to_string()));
                    store.insert(tweet, deadline()).await.unwrap();
                }
            })
        })
        .collect();
    for caller in all {
        caller.await.unwrap();
    }
    let rate = posted.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    let keys = if with_keys {
        ", each with an idempotency key"
    } else {
        ""
    };
    println!("{callers:>5} concurrent callers{keys}: {rate:>8.0} durable tweets/s");
}

async fn measure_pages(store: &PostgresTweets, sources: u64, limit: usize) {
    let mut dice = StdRng::seed_from_u64(sources + limit as u64);
    let readers: Vec<Vec<AuthorRange>> = (0..50)
        .map(|_| {
            (0..sources)
                .map(|_| AuthorRange {
                    author: UserId::new(dice.random_range(1..=AUTHORS)),
                    range: IdRange::ALL,
                })
                .collect()
        })
        .collect();
    let [cold, warm] = [
        measure_round(store, &readers, limit, 1).await,
        measure_round(store, &readers, limit, 10).await,
    ];
    println!("page of {limit} from {sources:>5} sources: {cold:>9.1} us the first time, {warm:>8.1} us then");
}

/// Microseconds a page.
async fn measure_round(store: &PostgresTweets, readers: &[Vec<AuthorRange>], limit: usize, rounds: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..rounds {
        for sources in readers {
            store.page(sources, TweetId::MAX, limit, deadline()).await.unwrap();
        }
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(rounds) / readers.len() as f64
}

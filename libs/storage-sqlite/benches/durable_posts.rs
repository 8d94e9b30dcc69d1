//! How many tweets a second are made durable, by concurrency, and what pages cost.
//!
//! `cargo bench -p storage-sqlite`. Data goes to the folder named by the first argument that is one (default: a temporary
//! folder in the current one, since `/tmp` may be in memory, where nothing is durable).

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use model::{Author, AuthorRange, IdRange, SystemClock, TweetId, UserId, WorkerId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{Deadline, EventLog, NewTweet, TweetCounts, TweetStore};
use storage_sqlite::{SqliteTweets, TweetOptions};

const AUTHORS: u64 = 200_000;
const RUN: Duration = Duration::from_secs(5);

fn main() {
    let given = std::env::args().skip(1).map(PathBuf::from).find(|path| path.is_dir());
    let place = given.unwrap_or_else(|| std::env::current_dir().unwrap());
    let dir = tempfile::tempdir_in(place).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let options = TweetOptions::new(WorkerId::new(1).unwrap());
        let store = SqliteTweets::open(dir.path(), Arc::new(SystemClock), options).unwrap();
        tokio::spawn(consume(Arc::clone(&store)));
        tokio::spawn(take_counts(Arc::clone(&store)));
        for callers in [1, 10, 100, 1_000, 4_000] {
            measure_posts(&store, callers).await;
        }
        for (sources, limit) in [(1, 20), (75, 20), (75, 100), (5_000, 20)] {
            measure_pages(&store, sources, limit).await;
        }
    });
}

/// As fan-out does, without its work.
async fn consume(store: Arc<SqliteTweets>) {
    loop {
        let received = store.receive(10_000, Duration::from_secs(1)).await.unwrap();
        let receipts: Vec<_> = received.iter().map(|received| received.receipt).collect();
        store.acknowledge(&receipts).await.unwrap();
    }
}

/// As follow-graph does, without its work.
async fn take_counts(store: Arc<SqliteTweets>) {
    loop {
        let changed = store.changed(10_000, Duration::from_secs(1)).await.unwrap();
        store
            .taken(&changed, Deadline::after(Duration::from_secs(10)))
            .await
            .unwrap();
    }
}

fn new_tweet(author: u64) -> NewTweet {
    NewTweet {
        author: Author {
            id: UserId::new(author),
            handle: format!("user{author}"),
            display_name: format!("User {author}"),
        },
        text: "A tweet of middling length, such as people write when they have something to say to the world.".into(),
        in_reply_to: None,
        trace: None,
        idempotency: None,
    }
}

async fn measure_posts(store: &Arc<SqliteTweets>, callers: u64) {
    let posted = Arc::new(AtomicU64::new(0));
    let started = Instant::now();
    let all: Vec<_> = (0..callers)
        .map(|caller| {
            let (store, posted) = (Arc::clone(store), Arc::clone(&posted));
            tokio::spawn(async move {
                let mut dice = StdRng::seed_from_u64(caller);
                while started.elapsed() < RUN {
                    let tweet = new_tweet(dice.random_range(1..=AUTHORS));
                    store.insert(tweet, Deadline::after(RUN)).await.unwrap();
                    posted.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    for caller in all {
        caller.await.unwrap();
    }
    let rate = posted.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64();
    println!("{callers:>5} concurrent callers: {rate:>8.0} durable tweets/s");
}

async fn measure_pages(store: &SqliteTweets, sources: u64, limit: usize) {
    let mut dice = StdRng::seed_from_u64(sources + limit as u64);
    let readers: Vec<Vec<AuthorRange>> = (0..200)
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
        measure_round(store, &readers, limit, 20).await,
    ];
    println!("page of {limit} from {sources:>5} sources: {cold:>9.1} us the first time, {warm:>8.1} us then");
}

/// Microseconds a page.
async fn measure_round(store: &SqliteTweets, readers: &[Vec<AuthorRange>], limit: usize, rounds: u32) -> f64 {
    let started = Instant::now();
    for _ in 0..rounds {
        for sources in readers {
            store
                .page(sources, TweetId::MAX, limit, Deadline::after(RUN))
                .await
                .unwrap();
        }
    }
    started.elapsed().as_secs_f64() * 1e6 / f64::from(rounds) / readers.len() as f64
}

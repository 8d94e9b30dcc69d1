//! What an import, the loading of follower lists, follows and reads of the graph cost.
//!
//! `cargo bench -p storage-sqlite --bench graph_at_scale [-- EDGES ACCOUNTS]`. Data goes to a temporary folder in the current one,
//! since `/tmp` may be in memory, where nothing is durable.

#![expect(clippy::unwrap_used, reason = "a measurement fails by panicking")]
#![expect(clippy::cast_precision_loss, reason = "figures for people")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{EdgeKind, SystemClock, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{ChunksRequest, Deadline, EdgeDirection, EdgeWrite, FollowerPageRequest, GraphStore};
use storage_sqlite::{GraphOptions, SqliteGraph};

/// Pairs in one call of an import.
const BATCH: u64 = 50_000;

fn main() {
    let mut given = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let edges = given.next().unwrap_or(1_000_000);
    let accounts = given.next().unwrap_or(edges / 2);
    let dir = tempfile::tempdir_in(std::env::current_dir().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        import(dir.path(), edges, accounts).await;
        let store = load(dir.path(), edges);
        read(&store).await;
        for callers in [1, 10, 100, 1_000] {
            follow(&store, callers).await;
        }
    });
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(10))
}

fn open(dir: &Path) -> Arc<SqliteGraph> {
    SqliteGraph::open(dir, Arc::new(SystemClock), GraphOptions::default()).unwrap()
}

fn report(what: &str, count: u64, took: Duration) {
    let each = took.as_secs_f64() * 1e6 / count as f64;
    println!(
        "{what:<40} {count:>10} in {:>8.2} s, {each:>8.3} us each",
        took.as_secs_f64()
    );
}

/// A heavy-tailed graph: a twelfth of the edges leads to the first account, the rest to others by chance.
async fn import(dir: &Path, edges: u64, accounts: u64) {
    let mut random = StdRng::seed_from_u64(1);
    let store = open(dir);
    let start = Instant::now();
    for first in (0..edges).step_by(usize::try_from(BATCH).unwrap()) {
        let pair = |number: u64| {
            // The smaller of two: half of the edges lead to a quarter of the accounts.
            let chance = random.random_range(0..accounts).min(random.random_range(0..accounts));
            let target = if number.is_multiple_of(12) { 0 } else { chance };
            (random.random_range(0..accounts), target)
        };
        let batch = (first..edges.min(first + BATCH)).map(pair).collect();
        store.import(batch, false, deadline()).await.unwrap();
    }
    report("import, an edge", edges, start.elapsed());
}

fn load(dir: &Path, edges: u64) -> Arc<SqliteGraph> {
    let before = resident_bytes();
    let start = Instant::now();
    let store = open(dir);
    report("load, an edge", edges, start.elapsed());
    let bytes = resident_bytes().saturating_sub(before);
    println!(
        "{:<40} {:>10.1} bytes an edge",
        "resident after loading",
        bytes as f64 / edges as f64
    );
    store
}

/// 0 where the system does not tell.
fn resident_bytes() -> u64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse::<u64>().ok());
    pages.unwrap_or(0) * 4_096
}

async fn read(store: &Arc<SqliteGraph>) {
    const READS: u64 = 20_000;
    let ids = || (1..=READS).map(UserId::new);
    let start = Instant::now();
    for author in ids() {
        let request = FollowerPageRequest {
            author,
            after: None,
            limit: 1_000,
        };
        store
            .edges(EdgeDirection::Followers, &[request], deadline())
            .await
            .unwrap();
    }
    report("page of followers", READS, start.elapsed());
    let start = Instant::now();
    for reader in ids() {
        store.reader(reader, deadline()).await.unwrap();
    }
    report("view of a reader", READS, start.elapsed());
    let mut authors = store.authors_with(1_000, deadline()).await.unwrap();
    authors.sort_by_key(|(_, followers)| *followers);
    let Some((author, followers)) = authors.pop() else {
        return;
    };
    let start = Instant::now();
    let request = ChunksRequest {
        author,
        after: None,
        limit: usize::MAX,
        size: 10_000,
    };
    store.chunks(request, deadline()).await.unwrap();
    report("chunks of the largest, a follower", followers, start.elapsed());
}

async fn follow(store: &Arc<SqliteGraph>, callers: u64) {
    const FOLLOWS: u64 = 20_000;
    let each = FOLLOWS.min(callers * 500) / callers;
    let start = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|caller| {
            let store = Arc::clone(store);
            tokio::spawn(async move {
                for number in 0..each {
                    // Each caller writes as an account of its own, and to the largest list every other time.
                    let target = if number % 2 == 0 { 1 } else { 2_000 + number };
                    let write = EdgeWrite {
                        kind: EdgeKind::Follow,
                        actor: UserId::new(10_000 + caller),
                        target: UserId::new(target),
                        present: number % 4 < 2,
                        limit: u64::MAX,
                        idempotency: None,
                    };
                    store.write_edge(write, deadline()).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    report(
        &format!("follow or unfollow, {callers} callers"),
        callers * each,
        start.elapsed(),
    );
}

//! The contract of the graph store, on `SQLite`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::{EPOCH_MS, EdgeKind, ManualClock, UserId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rusqlite::Connection;
use storage::{Deadline, EdgeDirection, EdgeWrite, FollowerPageRequest, GraphStore};
use storage_sqlite::{GraphOptions, SqliteGraph};
use storage_testsuite::GraphBackend;
use tempfile::TempDir;

struct Backend {
    dir: TempDir,
    clock: Arc<ManualClock>,
}

#[expect(clippy::unused_async, reason = "a suite awaits its backends")]
async fn fresh() -> Option<Backend> {
    Some(Backend {
        dir: tempfile::tempdir().unwrap(),
        clock: Arc::new(ManualClock::new(EPOCH_MS + 500_000_000_000)),
    })
}

impl GraphBackend for Backend {
    async fn open(&self) -> Arc<dyn GraphStore> {
        SqliteGraph::open(self.dir.path(), self.clock.clone(), GraphOptions::default()).unwrap()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

storage_testsuite::graph_store_contract!(fresh);

const ACCOUNTS: u64 = 3_000;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// Followers by author, as they stand in a table.
fn table(backend: &Backend, sql: &str) -> BTreeMap<u64, Vec<UserId>> {
    let connection = Connection::open(backend.dir.path().join("graph.db")).unwrap();
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query([]).unwrap();
    let mut followers = BTreeMap::<_, Vec<_>>::new();
    while let Some(row) = rows.next().unwrap() {
        let (author, follower): (u32, u32) = (row.get(0).unwrap(), row.get(1).unwrap());
        let of_author = followers.entry(author.into()).or_default();
        of_author.push(UserId::new(follower.into()));
    }
    followers
}

async fn assert_memory_equals_tables(backend: &Backend, store: &dyn GraphStore) {
    let both = [
        "SELECT followee, follower FROM followers ORDER BY followee, follower",
        "SELECT followee, follower FROM following WHERE present = 1 ORDER BY followee, follower",
    ]
    .map(|sql| table(backend, sql));
    assert_eq!(both[0], both[1], "both directions hold the same edges");
    for author in 1..=ACCOUNTS {
        let request = FollowerPageRequest {
            author: UserId::new(author),
            after: None,
            limit: usize::MAX,
        };
        let found = store
            .edges(EdgeDirection::Followers, &[request], deadline())
            .await
            .unwrap();
        let expected = both[0].get(&author).cloned().unwrap_or_default();
        assert_eq!(found[0].followers, expected, "followers of {author}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_in_memory_equal_the_tables() {
    let backend = fresh().await.unwrap();
    let mut store = backend.open().await;
    let mut random = StdRng::seed_from_u64(11);
    // A few authors have most followers, so that some lists are long.
    let mut pair = |accounts: u64| {
        let popular = random.random_range(0..3) > 0;
        let target = random.random_range(1..if popular { 4 } else { accounts });
        (random.random_range(1..accounts), target)
    };
    for _ in 0..3 {
        store
            .import((1..=10_000).map(|_| pair(ACCOUNTS)).collect(), false, deadline())
            .await
            .unwrap();
        for step in 0..1_500 {
            let (actor, target) = pair(ACCOUNTS / 2);
            let (actor, target) = (UserId::new(actor), UserId::new(target));
            let kind = EdgeKind::Follow;
            let (present, limit) = (step % 5 == 0, u64::MAX);
            let idempotency = None;
            let write = EdgeWrite {
                kind,
                actor,
                target,
                present,
                limit,
                idempotency,
            };
            // Some are refused: their accounts are deleted.
            let _ = store.write_edge(write, deadline()).await;
            if step % 500 == 0 {
                let _ = store.delete_user(target, deadline()).await;
                store.purge_deleted(100, deadline()).await.unwrap();
            }
        }
        assert_memory_equals_tables(&backend, &*store).await;
        drop(store);
        store = backend.open().await;
        assert_memory_equals_tables(&backend, &*store).await;
    }
    while !store.purge_deleted(1_000, deadline()).await.unwrap().is_empty() {}
    assert_memory_equals_tables(&backend, &*store).await;
}

//! The contracts of tweets, pages, the event log and delivery records, on `SQLite`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use model::{EPOCH_MS, ManualClock, WorkerId};
use storage::DeliveryStore;
use storage_sqlite::{DeliveryOptions, SqliteDeliveries, SqliteTweets, TweetOptions};
use storage_testsuite::{DeliveryBackend, TweetBackend, TweetPorts};
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

impl TweetBackend for Backend {
    async fn open(&self) -> TweetPorts {
        let options = TweetOptions::new(WorkerId::new(7).unwrap());
        let store = SqliteTweets::open(self.dir.path(), self.clock.clone(), options).unwrap();
        TweetPorts {
            tweets: store.clone(),
            log: store.clone(),
            counts: store,
        }
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

impl DeliveryBackend for Backend {
    async fn open(&self) -> Arc<dyn DeliveryStore> {
        SqliteDeliveries::open(self.dir.path(), DeliveryOptions::default()).unwrap()
    }
}

mod tweets {
    storage_testsuite::tweet_store_contract!(super::fresh);
}

mod pages {
    storage_testsuite::tweet_page_contract!(super::fresh);
}

mod event_log {
    storage_testsuite::event_log_contract!(super::fresh);
}

mod counts {
    storage_testsuite::tweet_counts_contract!(super::fresh);
}

mod deliveries {
    storage_testsuite::delivery_store_contract!(super::fresh);
}

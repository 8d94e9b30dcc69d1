//! The contracts of tweets, pages, counts, delivery records and generations, on PostgreSQL; and that of the event log, over nothing but
//! the outbox, which tests the outbox.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::Clock as _;
use model::{Event, ManualClock, Position, SystemClock, TraceContext, TweetId};
use storage::{
    Backlog, Deadline, DeliveryStore, EventLog, Generations, Outbox, Receipt, Received, Settled, StoreError,
};
use storage_postgres::{PostgresDeliveries, PostgresGenerations, PostgresTweets, TweetOptions};
use storage_testsuite::{DeliveryBackend, GenerationsBackend, TweetBackend, TweetPorts};
use support::TestDatabase;
use tokio::sync::Mutex;

struct Backend {
    database: TestDatabase,
    clock: Arc<ManualClock>,
}

async fn fresh() -> Option<Backend> {
    Some(Backend {
        database: TestDatabase::migrated(support::server_url()?).await,
        clock: Arc::new(ManualClock::new(SystemClock.unix_ms())),
    })
}

impl TweetBackend for Backend {
    async fn open(&self) -> TweetPorts {
        let pool = self.database.pool().await;
        let store = PostgresTweets::open(pool, self.clock.clone(), TweetOptions::default())
            .await
            .unwrap();
        TweetPorts {
            tweets: store.clone(),
            log: Arc::new(PolledLog::new(store.clone())),
            counts: store,
        }
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

impl DeliveryBackend for Backend {
    async fn open(&self) -> Arc<dyn DeliveryStore> {
        Arc::new(PostgresDeliveries::new(self.database.pool().await))
    }
}

impl GenerationsBackend for Backend {
    async fn open(&self) -> Arc<dyn Generations> {
        Arc::new(PostgresGenerations::new(self.database.pool().await))
    }
}

/// The simplest log over an outbox: it is asked again and again.
struct PolledLog {
    outbox: Arc<PostgresTweets>,
    taken: Mutex<BTreeSet<Position>>,
}

impl PolledLog {
    fn new(outbox: Arc<PostgresTweets>) -> Self {
        Self {
            outbox,
            taken: Mutex::default(),
        }
    }
}

fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(30))
}

#[async_trait]
impl EventLog for PolledLog {
    async fn publish(&self, _: &[Event]) -> Result<(), StoreError> {
        Ok(())
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        let until = Instant::now() + wait;
        loop {
            let mut taken = self.taken.lock().await;
            let all = self
                .outbox
                .outstanding(Duration::ZERO, Position(0), 100_000, deadline())
                .await?;
            let new = all.into_iter().filter(|one| !taken.contains(&one.event.position));
            let received: Vec<_> = new
                .take(max)
                .map(|one| Received {
                    receipt: Receipt(one.event.position.0),
                    event: one.event,
                })
                .collect();
            taken.extend(received.iter().map(|one| one.event.position));
            drop(taken);
            if !received.is_empty() || Instant::now() >= until {
                return Ok(received);
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError> {
        let positions: Vec<Position> = receipts.iter().map(|receipt| Position(receipt.0)).collect();
        self.outbox.done(&positions, deadline()).await
    }

    async fn trace_of(&self, tweet: TweetId) -> Result<Option<TraceContext>, StoreError> {
        self.outbox.trace_of(tweet, deadline()).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.outbox.backlog(deadline()).await
    }

    async fn settled(&self) -> Result<Settled, StoreError> {
        self.outbox.settled(deadline()).await
    }

    async fn highest(&self) -> Result<TweetId, StoreError> {
        self.outbox.highest(deadline()).await
    }
}

mod tweets {
    storage_testsuite::tweet_store_contract!(super::fresh);
}

mod pages {
    storage_testsuite::tweet_page_contract!(super::fresh);
}

mod counts {
    storage_testsuite::tweet_counts_contract!(super::fresh);
}

mod event_log {
    storage_testsuite::event_log_contract!(super::fresh);
}

mod deliveries {
    storage_testsuite::delivery_store_contract!(super::fresh);
}

mod generations {
    storage_testsuite::generations_contract!(super::fresh);
}

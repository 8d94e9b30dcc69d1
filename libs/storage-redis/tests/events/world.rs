//! Processes around one Redis and one outbox.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{Event, Position};
use storage::{EventLog, Outbox, Receipt, Received};
use storage_redis::{EventLogSettings, RedisClient, RedisEventLog, RedisOptions};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::outbox::Commits;
use crate::server::Redis;

/// How long a test waits for what must come.
pub(crate) const LONG: Duration = Duration::from_secs(30);
/// And for what must not.
pub(crate) const SHORT: Duration = Duration::from_millis(500);

pub(crate) const PARTITIONS: u32 = 4;

/// A Redis and an outbox.
pub(crate) struct World {
    pub(crate) redis: Redis,
    pub(crate) commits: Arc<Commits>,
    pub(crate) settings: EventLogSettings,
}

/// A process: its log, swept as long as it lives.
pub(crate) struct Process {
    pub(crate) log: Arc<RedisEventLog>,
    _sweeping: Option<DropGuard>,
}

/// Quick, so that tests need not wait.
pub(crate) fn settings() -> EventLogSettings {
    EventLogSettings {
        partitions: PARTITIONS,
        claim_after: Duration::from_millis(800),
        grace: Duration::from_millis(300),
        sweep_every: Duration::from_millis(50),
        backlog_max_age: Duration::ZERO,
        ..EventLogSettings::default()
    }
}

impl World {
    pub(crate) async fn start() -> Option<Self> {
        Some(Self::around(Redis::start().await?))
    }

    pub(crate) fn around(redis: Redis) -> Self {
        Self {
            redis,
            commits: Arc::default(),
            settings: settings(),
        }
    }

    /// A process that does not sweep.
    pub(crate) async fn process(&self) -> Process {
        let client = RedisClient::connect(&RedisOptions::new(self.redis.url()))
            .await
            .unwrap();
        let outbox: Arc<dyn Outbox> = Arc::clone(&self.commits) as _;
        let log = RedisEventLog::open(&client, outbox, self.settings.clone())
            .await
            .unwrap();
        Process {
            log: Arc::new(log),
            _sweeping: None,
        }
    }

    /// A process that sweeps.
    pub(crate) async fn sweeping(&self) -> Process {
        let process = self.process().await;
        let shutdown = CancellationToken::new();
        let (log, stop) = (Arc::clone(&process.log), shutdown.clone());
        tokio::spawn(async move { log.run(stop).await });
        Process {
            _sweeping: Some(shutdown.drop_guard()),
            ..process
        }
    }

    /// Commits and publishes.
    pub(crate) async fn post(&self, process: &Process, count: u64) -> Vec<Event> {
        let events = self.commits.commit_many(count);
        process.log.publish(&events).await.unwrap();
        events
    }

    /// Works until the outbox is empty; answers what was received.
    pub(crate) async fn drain(&self, process: &Process) -> BTreeSet<Position> {
        let mut received = BTreeSet::new();
        let until = Instant::now() + LONG;
        while !self.commits.left().is_empty() {
            assert!(Instant::now() < until, "{:?} never came", self.commits.left());
            match process.log.receive(500, Duration::from_millis(100)).await {
                Ok(batch) => {
                    received.extend(positions(&batch));
                    process.acknowledge(&batch).await;
                }
                Err(error) => {
                    assert!(error.is_transient(), "{error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
        received
    }
}

impl Process {
    /// Receives exactly these many.
    pub(crate) async fn receive(&self, count: usize) -> Vec<Received> {
        let mut received = Vec::new();
        while received.len() < count {
            let batch = self.log.receive(count - received.len(), LONG).await.unwrap();
            assert!(!batch.is_empty(), "{} of {count} came", received.len());
            received.extend(batch);
        }
        received
    }

    pub(crate) async fn acknowledge(&self, received: &[Received]) {
        self.log.acknowledge(&receipts(received)).await.unwrap();
    }
}

pub(crate) fn receipts(received: &[Received]) -> Vec<Receipt> {
    received.iter().map(|received| received.receipt).collect()
}

pub(crate) fn positions(received: &[Received]) -> BTreeSet<Position> {
    received.iter().map(|received| received.event.position).collect()
}

pub(crate) fn places(events: &[Event]) -> BTreeSet<Position> {
    events.iter().map(|event| event.position).collect()
}

/// Waits until it is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    let until = Instant::now() + LONG;
    while !is_so().await {
        assert!(Instant::now() < until, "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

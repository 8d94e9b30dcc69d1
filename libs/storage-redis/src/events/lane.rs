//! Connections that wait for entries.

use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::Error;
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::client::{Connection, RedisClient};

/// Partitions that are read together, over a connection that nobody else uses. It is made when somebody receives: a
/// process that only publishes has none.
pub(super) struct Lane {
    pub(super) partitions: Vec<u32>,
    redis: RedisClient,
    longest_wait: Duration,
    connection: OnceCell<Connection>,
    /// Until when the read that is under way waits.
    waits_until: Mutex<Option<Instant>>,
}

impl Lane {
    /// All partitions in one lane; in a cluster, where one command can't read streams of several slots, each in its own.
    pub(super) fn all(
        redis: &RedisClient,
        partitions: std::ops::Range<u32>,
        is_clustered: bool,
        longest_wait: Duration,
    ) -> Vec<Self> {
        let lane = |partitions: Vec<u32>| Self {
            partitions,
            redis: redis.clone(),
            longest_wait,
            connection: OnceCell::new(),
            waits_until: Mutex::new(None),
        };
        if is_clustered {
            partitions.map(|partition| lane(vec![partition])).collect()
        } else {
            vec![lane(partitions.collect())]
        }
    }

    pub(super) async fn client(&self) -> Result<&Client, Error> {
        let open = || self.redis.open_for_waiting(self.longest_wait);
        self.connection.get_or_try_init(open).await?.connected()
    }

    /// Begins a read, unless one is under way.
    pub(super) fn begin(&self, waits_until: Instant) -> bool {
        let mut under_way = self.waits_until.lock();
        let is_free = under_way.is_none();
        if is_free {
            *under_way = Some(waits_until);
        }
        is_free
    }

    pub(super) fn end(&self) {
        *self.waits_until.lock() = None;
    }

    pub(super) fn is_reading(&self) -> bool {
        self.waits_until.lock().is_some()
    }

    /// Whether a read is under way that has waited long enough, so that its answer is about to come.
    pub(super) fn is_about_to_answer(&self, now: Instant) -> bool {
        self.waits_until.lock().is_some_and(|until| until <= now)
    }
}

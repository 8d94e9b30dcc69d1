//! The contract of the event log, over the outbox in PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use model::{Clock as _, ManualClock, SystemClock};
use storage_postgres::{PostgresTweets, TweetOptions};
use storage_redis::{RedisClient, RedisEventLog, RedisOptions};
use storage_testsuite::{TweetBackend, TweetPorts};
use tokio_util::sync::CancellationToken;

use crate::database::{TestDatabase, server_url};
use crate::server::Redis;
use crate::world::settings;

struct Backend {
    redis: Redis,
    database: TestDatabase,
    clock: Arc<ManualClock>,
}

async fn fresh() -> Option<Backend> {
    let server = server_url()?;
    Some(Backend {
        redis: Redis::start().await?,
        database: TestDatabase::migrated(server).await,
        clock: Arc::new(ManualClock::new(SystemClock.unix_ms())),
    })
}

impl TweetBackend for Backend {
    async fn open(&self) -> TweetPorts {
        let pool = self.database.pool().await;
        let tweets = PostgresTweets::open(pool, self.clock.clone(), TweetOptions::default())
            .await
            .unwrap();
        let redis = RedisClient::connect(&RedisOptions::new(self.redis.url()))
            .await
            .unwrap();
        let log = RedisEventLog::open(&redis, tweets.clone(), settings()).await.unwrap();
        let log = Arc::new(log);
        tokio::spawn(sweep(Arc::downgrade(&log)));
        TweetPorts {
            tweets: tweets.clone(),
            log,
            counts: tweets,
        }
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }
}

/// Sweeps for as long as somebody has the log open: a little now and then, so that it is not kept open by this.
async fn sweep(log: std::sync::Weak<RedisEventLog>) {
    while let Some(log) = log.upgrade() {
        let shutdown = CancellationToken::new();
        let run = log.run(shutdown.clone());
        if tokio::time::timeout(Duration::from_millis(100), run).await.is_err() {
            shutdown.cancel();
        }
        drop(log);
        tokio::task::yield_now().await;
    }
}

storage_testsuite::event_log_contract!(fresh);

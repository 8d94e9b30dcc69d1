//! The adapters of one process.

use std::sync::Arc;
use std::time::Duration;

use actix_web::web;
use bootstrap::{Listeners, Waiting};
use graph_replica::{RemoteGraph, RemoteGraphOptions, Replica};
use http_kit::{Authenticator, VerifyingKeys};
use model::{Clock, Epoch, SystemClock};
use runtime::Settings;
use secrecy::{ExposeSecret, SecretString};
use storage::{Deadline, FollowGraph, TweetCache};
use storage_postgres::{
    PostgresDeliveries, PostgresGenerations, PostgresGraph, PostgresOptions, PostgresPool, PostgresTweets,
    TweetOptions, check_schema,
};
use storage_redis::{
    EventLogSettings, NearTweets, RedisClient, RedisEventLog, RedisNode, RedisOptions, RedisTimelineOptions,
    RedisTimelines, RedisTweets,
};

use crate::{BackendError, delivery_rules};

const START_WITHIN: Duration = Duration::from_secs(30);
const DAY: Duration = Duration::from_hours(24);

/// Connections to Redis that all tasks of a process share; each is pipelined.
const REDIS_CONNECTIONS: usize = 4;

/// The adapters of one process, over shared connections.
pub struct Backends {
    settings: Settings,
    clock: Arc<dyn Clock>,
    pool: PostgresPool,
    epoch: Epoch,
    /// Timelines and caches.
    node: Arc<RedisNode>,
    /// The event stream.
    events: RedisClient,
}

impl Backends {
    /// Opens what a service runs on; waits for what is not there yet, and serves health meanwhile.
    pub async fn open(settings: &Settings, program: &str, listeners: &Listeners) -> Result<Self, BackendError> {
        let waiting = Waiting::start(listeners)?;
        let opened = waiting
            .until(
                async || Self::connect(settings, program).await,
                BackendError::is_transient,
            )
            .await;
        waiting.end().await;
        opened
    }

    /// Opens what is there; what an operator's command needs.
    pub async fn connect(settings: &Settings, program: &str) -> Result<Self, BackendError> {
        // All of them, whatever one of them says: what is wrong with several is told together.
        let (database, redis, events) = tokio::join!(
            Box::pin(database(settings, program)),
            Box::pin(redis(settings)),
            Box::pin(events(settings))
        );
        let ((pool, epoch), redis, events) = match (database, redis, events) {
            (Ok(database), Ok(redis), Ok(events)) => (database, redis, events),
            (database, redis, events) => {
                let errors = [database.err(), redis.err(), events.err()];
                return Err(BackendError::Several(errors.into_iter().flatten().collect()));
            }
        };
        let events = events.unwrap_or_else(|| redis.clone());
        let generations = Arc::new(PostgresGenerations::new(pool.clone()));
        Ok(Self {
            node: RedisNode::connect(&redis, REDIS_CONNECTIONS, generations).await?,
            settings: settings.clone(),
            clock: Arc::new(SystemClock),
            pool,
            epoch: Epoch(epoch),
            events,
        })
    }

    /// Time.
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// The connections to PostgreSQL.
    pub fn pool(&self) -> &PostgresPool {
        &self.pool
    }

    /// What is known of Redis; it must be kept running.
    pub fn node(&self) -> &Arc<RedisNode> {
        &self.node
    }

    /// Tweets, for a process that accepts some.
    pub async fn accepting_tweets(&self) -> Result<Arc<PostgresTweets>, BackendError> {
        let options = TweetOptions {
            max_backlog: self.settings.limits.max_backlog,
            ..TweetOptions::default()
        };
        Ok(PostgresTweets::open(self.pool.clone(), self.clock(), options).await?)
    }

    /// Tweets, for a process that accepts none.
    pub fn tweets(&self) -> Arc<PostgresTweets> {
        PostgresTweets::open_read_only(self.pool.clone(), self.clock())
    }

    /// Accounts and edges.
    pub fn graph(&self) -> Arc<PostgresGraph> {
        PostgresGraph::new(self.pool.clone(), self.clock())
    }

    /// Delivery records.
    pub fn deliveries(&self) -> Arc<PostgresDeliveries> {
        Arc::new(PostgresDeliveries::new(self.pool.clone()))
    }

    /// Home timelines, and the versions of their readers.
    pub fn timelines(&self) -> Arc<RedisTimelines> {
        let options = RedisTimelineOptions {
            window: self.settings.timeline.window,
            idle: DAY * self.settings.timeline.idle_days,
        };
        RedisTimelines::new(Arc::clone(&self.node), options)
    }

    /// Rendered tweets, for a process that seldom looks for one.
    pub fn tweet_cache(&self) -> Arc<RedisTweets> {
        RedisTweets::new(Arc::clone(&self.node))
    }

    /// Rendered tweets, for a process that serves timelines: some of them in its own memory.
    pub fn near_tweet_cache(&self) -> Arc<dyn TweetCache> {
        match self.settings.redis.near_tweets_mib {
            0 => self.tweet_cache(),
            mib => NearTweets::new(self.tweet_cache(), mib.saturating_mul(1 << 20)),
        }
    }

    /// The event log over the outbox of these tweets.
    pub async fn event_log(&self, tweets: Arc<PostgresTweets>) -> Result<Arc<RedisEventLog>, BackendError> {
        let settings = EventLogSettings {
            partitions: u32::from(self.settings.events.partitions.get()),
            epoch: self.epoch,
            ..EventLogSettings::default()
        };
        Ok(Arc::new(RedisEventLog::open(&self.events, tweets, settings).await?))
    }

    /// follow-graph as another process serves it, with this process's replica of the graph before it.
    pub async fn remote_graph(&self) -> Result<(Arc<RemoteGraph>, Arc<Replica>), BackendError> {
        let now_s = self.clock.unix_ms() / 1_000;
        let rules = delivery_rules(&self.settings)?;
        let replica = Replica::load(self.graph(), rules, now_s, Deadline::after(START_WITHIN)).await?;
        let replica = Arc::new(replica);
        let options = RemoteGraphOptions {
            url: self.settings.follow_graph.url.clone().unwrap_or_default(),
            token: self.settings.admin.token.clone(),
        };
        Ok((Arc::new(RemoteGraph::new(options, Arc::clone(&replica))?), replica))
    }

    /// What checks tokens.
    pub fn authenticator(&self, graph: Arc<dyn FollowGraph>) -> Result<web::Data<Authenticator>, BackendError> {
        let bundle = secret(self.settings.auth.public_keys.as_ref());
        let keys = VerifyingKeys::from_bundle(bundle.expose_secret()).map_err(|source| BackendError::Key {
            key: "ROOKERY__AUTH__PUBLIC_KEYS",
            source,
        })?;
        Ok(web::Data::new(Authenticator::new(keys, graph, self.clock())))
    }
}

/// The database, at a schema that this version understands, and its epoch.
async fn database(settings: &Settings, program: &str) -> Result<(PostgresPool, u64), BackendError> {
    let pool = postgres(settings, program).await?;
    check_schema(&pool).await?;
    let epoch = storage_postgres::epoch(&pool, Deadline::after(START_WITHIN)).await?;
    Ok((pool, epoch))
}

/// The Redis of timelines and caches.
async fn redis(settings: &Settings) -> Result<RedisClient, BackendError> {
    let options = RedisOptions::new(secret(settings.redis.url.as_ref()));
    Ok(RedisClient::connect(&options).await?)
}

/// The Redis of the event stream, where it is another one.
async fn events(settings: &Settings) -> Result<Option<RedisClient>, BackendError> {
    let Some(url) = &settings.events.redis_url else {
        return Ok(None);
    };
    let connected = RedisClient::connect(&RedisOptions::new(url.clone())).await;
    connected.map(Some).map_err(BackendError::Events)
}

/// Connections to PostgreSQL alone: what an operator's command needs.
pub async fn postgres(settings: &Settings, program: &str) -> Result<PostgresPool, BackendError> {
    let options = PostgresOptions {
        url: secret(settings.postgres.url.as_ref()),
        max_connections: settings.postgres.max_connections.get(),
        application: program.to_owned(),
    };
    Ok(PostgresPool::connect(options).await?)
}

/// What [`crate::demands`] has made sure of.
fn secret(configured: Option<&SecretString>) -> SecretString {
    configured.cloned().unwrap_or_default()
}

//! Deliveries a second of the real fan-out worker: tweets wait in the log, then the worker runs until none is left. The
//! stores are the real ones, durable where the server's are, and the timelines are full, as they are in a system that has
//! run for long.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Args;
use fan_out::{FanOut, FanOutSettings};
use follow_graph::{FollowGraphService, FollowGraphSettings, PasswordCost};
use http_kit::TokenIssuer;
use http_kit::auth::generate_private_key;
use model::{RulesInForce, Strategy, SystemClock, Thresholds, TweetId};
use secrecy::ExposeSecret;
use storage::EventLog;
use storage_memory::{MemoryTimelines, MemoryTweets};
use storage_sqlite::{DeliveryOptions, SqliteDeliveries, SqliteTweets};
use tokio_util::sync::CancellationToken;

use crate::population;
use crate::rounds::Series;
use crate::timeline_bytes;

/// How many.
#[derive(Args)]
pub(crate) struct Options {
    /// Accounts, each with a full timeline.
    #[arg(long, default_value_t = 100_000)]
    accounts: u64,
    /// How many others each follows, and so the followers of each on average.
    #[arg(long, default_value_t = 75)]
    followees: u64,
    /// Entries in a timeline.
    #[arg(long, default_value_t = 800)]
    window: usize,
    /// Tweets that wait in each round.
    #[arg(long, default_value_t = 40_000)]
    tweets: u64,
    /// Rounds.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let dir = population::data_folder()?;
    println!(
        "accounts to make: {}, follows of each: {}",
        options.accounts, options.followees
    );
    let parts = Parts::new(dir.path(), options).await?;
    let mut series = Series::new("deliveries", "/s");
    for _ in 0..options.rounds {
        let tweets = population::make_tweets(&parts.tweets, options.accounts, options.tweets).await?;
        let took = parts.fan_out().await?;
        series.add(parts.written(&tweets).await? / took.as_secs_f64());
    }
    println!("{series}");
    Ok(())
}

struct Parts {
    tweets: Arc<SqliteTweets>,
    deliveries: Arc<SqliteDeliveries>,
    timelines: Arc<MemoryTimelines>,
    graph: Arc<FollowGraphService>,
}

impl Parts {
    async fn new(dir: &Path, options: &Options) -> Result<Self> {
        let store = population::open_graph(dir)?;
        population::make_graph(&store, options.accounts, options.followees).await?;
        let tweets = population::open_tweets(dir)?;
        let ports = follow_graph::Ports {
            store,
            log: tweets.clone(),
            counts: tweets.clone(),
            feed: None,
            versions: None,
        };
        let clock = Arc::new(SystemClock);
        let issuer = TokenIssuer::new(generate_private_key().expose_secret(), clock.clone())?;
        Ok(Self {
            graph: FollowGraphService::new(ports, push_alone()?, issuer, clock).await?,
            deliveries: SqliteDeliveries::open(dir, DeliveryOptions::default())?,
            timelines: timeline_bytes::filled(options.accounts, options.window, false).await?,
            tweets,
        })
    }

    /// Runs fan-out until nothing is before it; answers how long that took.
    async fn fan_out(&self) -> Result<Duration> {
        let ports = fan_out::Ports {
            log: self.tweets.clone(),
            graph: self.graph.clone(),
            timelines: self.timelines.clone(),
            deliveries: self.deliveries.clone(),
            tweets: self.tweets.clone(),
            cache: MemoryTweets::new(1 << 20),
        };
        let fan_out = FanOut::new(ports, FanOutSettings::default(), Arc::new(SystemClock));
        let shutdown = CancellationToken::new();
        let begun = Instant::now();
        let running = tokio::spawn(fan_out.run(shutdown.clone()));
        while self.tweets.backlog().await?.events > 0 {
            ensure!(!running.is_finished(), "fan-out ended");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = begun.elapsed();
        shutdown.cancel();
        running.await?;
        Ok(took)
    }

    /// How many timelines these were written into, by the books.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    async fn written(&self, tweets: &[TweetId]) -> Result<f64> {
        let records = population::records(&*self.deliveries, tweets).await?;
        Ok(records.iter().map(|record| record.written).sum::<u64>() as f64)
    }
}

fn push_alone() -> Result<FollowGraphSettings> {
    Ok(FollowGraphSettings {
        rules: RulesInForce {
            strategy: Strategy::Push,
            thresholds: Thresholds::new(10_000, 8_000)?,
        },
        crossing_settle: Duration::from_millis(500),
        crossing_margin: Duration::from_millis(500),
        following_limit: 5_000,
        hashing_concurrency: 1,
        password_cost: PasswordCost::Recommended,
    })
}

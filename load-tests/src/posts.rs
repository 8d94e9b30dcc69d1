//! Durable tweets a second: through the tweet store alone, and over HTTP through the whole server with fan-out behind it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::Args;
use futures::future::try_join_all;
use storage::{Deadline, EventLog, TweetCounts, TweetStore};
use storage_sqlite::SqliteTweets;

use crate::http_load::{self, Load};
use crate::pace::Pace;
use crate::population::{self, PATIENCE, Server};
use crate::rounds::Series;

/// How many, how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Accounts that post.
    #[arg(long, default_value_t = 2_000)]
    accounts: u64,
    /// How many others each follows.
    #[arg(long, default_value_t = 75)]
    followees: u64,
    /// Posts at the same time.
    #[arg(long, default_value_t = 1_000)]
    concurrency: usize,
    /// Threads that handle requests.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Rounds of each kind.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let through_store = through_store(options).await?;
    let over_http = over_http(options).await?;
    println!("{through_store}\n{over_http}");
    Ok(())
}

async fn through_store(options: &Options) -> Result<Series> {
    let dir = population::data_folder()?;
    let store = population::open_tweets(dir.path())?;
    let consumers = [
        tokio::spawn(consume(Arc::clone(&store))),
        tokio::spawn(take_counts(Arc::clone(&store))),
    ];
    let mut series = Series::new("posts through the store", "/s");
    for _ in 0..options.rounds {
        let begun = Instant::now();
        let until = begun + Duration::from_secs(options.seconds);
        let posted = (1..=options.concurrency).map(|author| tokio::spawn(post(Arc::clone(&store), author, until)));
        let mut count = 0.0;
        for posted in try_join_all(posted).await? {
            count += posted?;
        }
        series.add(count / begun.elapsed().as_secs_f64());
    }
    consumers.iter().for_each(tokio::task::JoinHandle::abort);
    Ok(series)
}

/// Posts one tweet after another.
async fn post(store: Arc<SqliteTweets>, author: usize, until: Instant) -> Result<f64> {
    let mut posted = 0.0;
    while Instant::now() < until {
        let tweet = population::new_tweet(author as u64);
        store.insert(tweet, Deadline::after(PATIENCE)).await?;
        posted += 1.0;
    }
    Ok(posted)
}

/// Takes events off the log, as services do, and does nothing with them.
async fn consume(store: Arc<SqliteTweets>) -> Result<()> {
    loop {
        let received = store.receive(10_000, Duration::from_secs(1)).await?;
        let receipts: Vec<_> = received.iter().map(|received| received.receipt).collect();
        store.acknowledge(&receipts).await?;
    }
}

/// Takes counts, as follow-graph does, and does nothing with them.
async fn take_counts(store: Arc<SqliteTweets>) -> Result<()> {
    loop {
        let changed = store.changed(10_000, Duration::from_secs(1)).await?;
        store.taken(&changed, Deadline::after(PATIENCE)).await?;
    }
}

async fn over_http(options: &Options) -> Result<Series> {
    let dir = population::data_folder()?;
    let graph = population::open_graph(dir.path())?;
    population::make_graph(&graph, options.accounts, options.followees).await?;
    let authors = population::accounts(&*graph, options.accounts).await?;
    drop(graph);
    let server = Server::start(dir.path(), options.workers).await?;
    let body = serde_json::json!({ "text": population::TEXT }).to_string();
    let tokens = server.tokens(&authors)?;
    let load = Load {
        address: server.address(),
        requests: tokens
            .iter()
            .map(|token| http_load::post("/v1/tweets", token, &body))
            .collect(),
        connections: options.concurrency,
        pace: Pace::AsAnswered(Duration::from_secs(options.seconds)),
    };
    let mut series = Series::new("posts over HTTP", "/s");
    for _ in 0..options.rounds {
        let outcome = http_load::run(load.clone(), 201).await?;
        if outcome.refused > 0 {
            bail!("posts refused: {}", outcome.refused);
        }
        series.add(outcome.rate());
    }
    server.stop().await?;
    Ok(series)
}

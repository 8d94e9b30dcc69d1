//! A rate that is held: tweets come over HTTP at a fixed rate, whether or not the server keeps up (open-loop), and fan-out
//! writes each into the timelines of all followers, all in this one process. Timelines are full and all of them are there.
//! How late a tweet is counts from the moment that it was due, not from when it was sent.

mod report;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Args;
use model::{Clock, Strategy, SystemClock, TweetId};
use parking_lot::Mutex;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use serde::Deserialize;
use storage::Credentials;
use storage_sqlite::{DeliveryOptions, SqliteDeliveries};

use crate::http_load::{self, Load, Outcome};
use crate::memory;
use crate::pace::Pace;
use crate::population::{self, PATIENCE, Server};
use crate::processor;
use report::{Figures, Report};

/// How much, how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Tweets a second.
    #[arg(long, default_value_t = 12_000)]
    rate: u32,
    /// For how many seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Accounts. All post, and all have a home timeline.
    #[arg(long, default_value_t = 100_000)]
    accounts: u64,
    /// How many others each follows, and so the followers of each on average; they are heavy-tailed.
    #[arg(long, default_value_t = 75)]
    followees: usize,
    /// How many tweets there are before: enough to fill the timelines, unless it is said.
    #[arg(long)]
    tweets: Option<u64>,
    /// How tweets travel: `push`, or `hybrid`, under which authors of 10,000 followers or more are pulled.
    #[arg(long, default_value = "push")]
    strategy: Strategy,
    /// Connections that requests are sent on: how many may be under way.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// Threads that handle requests.
    #[arg(long, default_value_t = 1)]
    workers: usize,
}

/// Entries of a full timeline, as it is configured by default.
const WINDOW: u64 = 800;

const READERS_AT_ONCE: usize = 64;

/// A tweet that was acknowledged.
struct Acknowledged {
    tweet: TweetId,
    due_unix_ms: u64,
}

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let dir = population::data_folder()?;
    let tweets = options
        .tweets
        .unwrap_or(options.accounts * WINDOW / options.followees.max(1) as u64);
    println!("accounts to make: {}, tweets: {tweets}", options.accounts);
    let accounts = make_data(dir.path(), options, tweets).await?;
    let server = Server::start_with(dir.path(), options.workers, options.strategy).await?;
    let tokens = server.tokens(&accounts)?;
    delivered(&server, tweets).await?;
    build_timelines(&server, &tokens).await?;

    println!("{} tweets a second for {} s", options.rate, options.seconds);
    let pid = std::process::id();
    let before = processor::time_of(pid)?;
    let (outcome, acknowledged) = post(&server, &tokens, options).await?;
    delivered(&server, tweets + outcome.answers).await?;
    let figures = Figures {
        rate: options.rate,
        seconds: options.seconds,
        accounts: options.accounts,
        timelines: server.timeline_stats().await?,
        processor: processor::time_of(pid)?.saturating_sub(before),
        resident_bytes: memory::resident_bytes()?,
        files: files(dir.path())?,
        outcome,
    };
    server.stop().await?;
    println!("{}", report(dir.path(), figures, &acknowledged).await?);
    Ok(())
}

async fn make_data(dir: &Path, options: &Options, tweets: u64) -> Result<Vec<Credentials>> {
    ensure!(
        options.accounts > options.followees as u64,
        "nobody can follow {} of {} accounts",
        options.followees,
        options.accounts
    );
    let graph = population::open_graph(dir)?;
    let edges = population::heavy_tailed_edges(options.accounts, options.followees);
    population::import(&graph, edges).await?;
    let accounts = population::accounts(&*graph, options.accounts).await?;
    drop(graph);
    let store = population::open_tweets(dir)?;
    population::make_tweets(&store, options.accounts, tweets).await?;
    Ok(accounts)
}

/// Waits until so many tweets are in all timelines.
async fn delivered(server: &Server, tweets: u64) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    #[expect(clippy::cast_precision_loss, reason = "some millions")]
    while server.metric("rookery_tweets_fanned_out_total").await? < tweets as f64 {
        ensure!(Instant::now() < give_up, "the tweets are not delivered");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}

/// Reads every home timeline until all are stored.
async fn build_timelines(server: &Server, tokens: &[String]) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    let reads = tokens
        .iter()
        .map(|token| http_load::get("/v1/timelines/home?limit=1", token));
    let load = Load {
        address: server.address(),
        requests: reads.collect(),
        connections: READERS_AT_ONCE,
        pace: Pace::Once,
    };
    let built = "rookery_timeline_builds_total{work=\"build\",outcome=\"done\"}";
    #[expect(clippy::cast_precision_loss, reason = "some thousands")]
    while server.metric(built).await? < tokens.len() as f64 {
        ensure!(Instant::now() < give_up, "the timelines were not built");
        let outcome = http_load::run(load.clone(), 200).await?;
        ensure!(outcome.refused == 0, "{} reads were refused", outcome.refused);
    }
    Ok(())
}

/// The load itself.
async fn post(server: &Server, tokens: &[String], options: &Options) -> Result<(Outcome, Vec<Acknowledged>)> {
    let body = serde_json::json!({ "text": population::TEXT }).to_string();
    let mut requests: Vec<Bytes> = tokens
        .iter()
        .map(|token| http_load::post("/v1/tweets", token, &body))
        .collect();
    // Neighbours in the follow graph are not neighbours in time.
    requests.shuffle(&mut StdRng::seed_from_u64(options.accounts));
    let load = Load {
        address: server.address(),
        requests: requests.into(),
        connections: options.connections,
        pace: Pace::Rate {
            per_second: options.rate,
            duration: Duration::from_secs(options.seconds),
        },
    };
    let acknowledged = Arc::new(Mutex::new(Vec::new()));
    let (noted, clock) = (Arc::clone(&acknowledged), SystemClock);
    let note = move |due: Instant, body: &[u8]| {
        let Posted { id } = serde_json::from_slice(body).context("a tweet has an id")?;
        let late_ms = u64::try_from(due.elapsed().as_millis())?;
        noted.lock().push(Acknowledged {
            tweet: id,
            due_unix_ms: clock.unix_ms() - late_ms,
        });
        Ok(())
    };
    let outcome = http_load::run_noting(load, 201, Box::new(note)).await?;
    let acknowledged = std::mem::take(&mut *acknowledged.lock());
    Ok((outcome, acknowledged))
}

/// What is used of the answer to a post.
#[derive(Deserialize)]
struct Posted {
    id: TweetId,
}

/// The files of the stores, each with its size in bytes.
fn files(dir: &Path) -> Result<Vec<(String, u64)>> {
    let mut files = Vec::new();
    for file in std::fs::read_dir(dir)? {
        let file = file?;
        let name = file.file_name().to_string_lossy().into_owned();
        if name.contains(".db") && !name.ends_with("-shm") {
            files.push((name, file.metadata()?.len()));
        }
    }
    files.sort();
    Ok(files)
}

/// By the books, now that nobody has them open.
async fn report(dir: &Path, figures: Figures, acknowledged: &[Acknowledged]) -> Result<Report> {
    let deliveries = SqliteDeliveries::open(dir, DeliveryOptions::default())?;
    let tweets: Vec<TweetId> = acknowledged.iter().map(|one| one.tweet).collect();
    let records = population::records(&*deliveries, &tweets).await?;
    let due = acknowledged.iter().map(|one| one.due_unix_ms);
    let books: Vec<_> = due.zip(records).collect();
    Report::new(figures, &books)
}

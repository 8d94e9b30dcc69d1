//! Deliveries a second of a stack's fan-out service, on real PostgreSQL and Redis: tweets are posted while it is stopped,
//! then it goes on until none is left. Beside it, in turn, on the same server and as many keys of as many entries:
//! `redis-benchmark` with one id a command, which is what a fan-out without grouping could reach at most. Then reads of home
//! timelines. The server's own processor time tells what each costs it.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use clap::Args;
use futures::{StreamExt, TryStreamExt, stream};
use http_kit::TokenIssuer;
use model::{SystemClock, TweetId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;
use storage::{Deadline, DeliveryStore};
use storage_postgres::{PostgresDeliveries, PostgresGraph, PostgresOptions, PostgresPool};
use test_support::{HttpTransport, Request, Stack, Transport};

use crate::http_load::{self, Load};
use crate::pace::Pace;
use crate::population::{self, PATIENCE, TEXT};
use crate::redis_tools::RedisTools;
use crate::rounds::Series;

const POSTS_AT_ONCE: usize = 128;
const RECORDS_AT_ONCE: usize = 5_000;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How many.
#[derive(Args)]
pub(crate) struct Options {
    /// Accounts, each with a home timeline.
    #[arg(long, default_value_t = 20_000)]
    accounts: u64,
    /// How many others each follows, and so the followers of each on average.
    #[arg(long, default_value_t = 75)]
    followees: u64,
    /// Tweets that wait in each round.
    #[arg(long, default_value_t = 20_000)]
    tweets: usize,
    /// Rounds; each adds entries to all timelines, and one more before them builds these.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of reads in each round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let dir = population::data_folder()?;
    let programs = std::env::current_exe()?;
    let programs = programs.parent().context("a folder with the programs")?;
    let stack_options = ["--replicas", "1", "--strategy", "push"];
    let stack = Stack::up(programs, &dir.path().join("stack"), &stack_options, &[]).await?;
    println!(
        "importing {} accounts with {} follows each",
        options.accounts, options.followees
    );
    import(&stack, &dir.path().join("graph"), options)?;
    let bench = Bench::new(&stack, options).await?;
    println!("building their timelines");
    bench.build().await?;
    bench.raw.fill_lists(options.accounts, bench.entries())?;

    let mut figures = Figures::new();
    for round in 0..options.rounds {
        bench.deliveries(round + 1, &mut figures).await?;
        bench.one_by_one(&mut figures)?;
        bench.reads(&mut figures).await?;
    }
    figures.tell();
    Ok(())
}

fn import(stack: &Stack, file: &Path, options: &Options) -> Result<()> {
    let mut lines = BufWriter::new(File::create(file)?);
    for (follower, followee) in population::edges(options.accounts, options.followees) {
        writeln!(lines, "{follower} {followee}")?;
    }
    lines.into_inner()?.sync_all()?;
    let mut command = stack.part("follow-graph", 0).command();
    let output = command.arg("import-graph").arg(file).output()?;
    ensure!(
        output.status.success(),
        "the import failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

struct Bench<'a> {
    stack: &'a Stack,
    options: &'a Options,
    public: HttpTransport,
    tokens: Vec<String>,
    deliveries: PostgresDeliveries,
    raw: RedisTools,
}

impl<'a> Bench<'a> {
    async fn new(stack: &'a Stack, options: &'a Options) -> Result<Self> {
        let pool = PostgresPool::connect(PostgresOptions {
            url: stack.postgres_url().into(),
            max_connections: 4,
            application: "rookery-bench".to_owned(),
        })
        .await?;
        let graph = PostgresGraph::new(pool.clone(), Arc::new(SystemClock));
        let accounts = population::accounts(&*graph, options.accounts).await?;
        let issuer = TokenIssuer::new(&signing_key(stack)?, Arc::new(SystemClock))?;
        let token = |account: &storage::Credentials| issuer.issue(account).token;
        Ok(Self {
            stack,
            options,
            public: HttpTransport::new(stack.public_url()),
            tokens: accounts.iter().map(token).collect(),
            deliveries: PostgresDeliveries::new(pool),
            raw: RedisTools::new(stack.redis_url())?,
        })
    }

    /// Entries in a timeline after the first round.
    fn entries(&self) -> u64 {
        self.options.tweets as u64 * self.options.followees / self.options.accounts.max(1)
    }

    /// Reads every timeline once, and delivers until every one takes what is delivered to it.
    async fn build(&self) -> Result<()> {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let reads = stream::iter(&self.tokens).map(|token| {
                let request = Request::new(reqwest::Method::GET, "/v1/timelines/home?limit=1");
                self.public.send(request.token(Some(token)))
            });
            let answers: Vec<_> = reads.buffer_unordered(POSTS_AT_ONCE).try_collect().await?;
            ensure!(answers.iter().all(|answer| answer.status == 200), "a read was refused");
            let tweets = self.post(0).await?;
            let (written, skipped) = self.wait_for(&tweets).await?;
            println!("  {written} written, {skipped} skipped");
            if skipped == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < give_up, "the timelines were not built");
        }
    }

    /// Lets tweets wait, then has them delivered.
    async fn deliveries(&self, round: usize, figures: &mut Figures) -> Result<()> {
        let fan_out = self.stack.part("fan-out", 0);
        fan_out.pause()?;
        let tweets = self.post(round).await?;
        let (cost, begun) = (self.raw.processor_nanos()?, Instant::now());
        fan_out.resume()?;
        let (written, skipped) = self.wait_for(&tweets).await?;
        let took = begun.elapsed().as_secs_f64();
        ensure!(skipped == 0, "timelines went away");
        figures.deliveries.add(count(written) / took);
        figures
            .delivery_cost
            .add((self.raw.processor_nanos()? - cost) / count(written));
        Ok(())
    }

    fn one_by_one(&self, figures: &mut Figures) -> Result<()> {
        let commands = self.options.tweets as u64 * self.options.followees;
        let before = self.raw.processor_nanos()?;
        figures
            .raw
            .add(self.raw.push_one_by_one(self.options.accounts, commands)?);
        figures
            .raw_cost
            .add((self.raw.processor_nanos()? - before) / count(commands));
        Ok(())
    }

    /// Home timelines, past the load balancer.
    async fn reads(&self, figures: &mut Figures) -> Result<()> {
        let get = |token: &String| http_load::get("/v1/timelines/home?limit=20", token);
        let requests: Vec<Bytes> = self.tokens.iter().map(get).collect();
        let load = Load {
            address: address(self.stack)?,
            requests: requests.into(),
            connections: 64,
            pace: Pace::AsAnswered(Duration::from_secs(self.options.seconds)),
        };
        let before = self.raw.processor_nanos()?;
        let outcome = http_load::run(load, 200).await?;
        ensure!(outcome.refused == 0, "{} reads were refused", outcome.refused);
        figures.reads.add(outcome.rate());
        figures
            .read_cost
            .add((self.raw.processor_nanos()? - before) / count(outcome.answers));
        Ok(())
    }

    /// Posts by random authors.
    async fn post(&self, round: usize) -> Result<Vec<TweetId>> {
        let mut dice = StdRng::seed_from_u64(round as u64);
        let authors = (0..self.options.tweets).map(move |_| dice.random_range(0..self.tokens.len()));
        let post = |author: usize| {
            let request = Request::new(reqwest::Method::POST, "/v1/tweets").token(Some(&self.tokens[author]));
            self.public.send(request.body(json!({"text": TEXT})))
        };
        let posted = stream::iter(authors).map(post).buffer_unordered(POSTS_AT_ONCE);
        let ids = posted.map(|answer| {
            let answer = answer?.expect(201)?;
            anyhow::Ok(serde_json::from_value::<TweetId>(answer.body["id"].clone())?)
        });
        ids.try_collect().await
    }

    /// Waits until all of these are delivered; answers how many timelines were written and how many left out, by the books.
    async fn wait_for(&self, tweets: &[TweetId]) -> Result<(u64, u64)> {
        let give_up = Instant::now() + PATIENCE;
        let (mut written, mut skipped) = (0, 0);
        for some in tweets.chunks(RECORDS_AT_ONCE) {
            loop {
                let records = self.deliveries.get(some, Deadline::after(PATIENCE)).await?;
                let done: Vec<_> = records
                    .iter()
                    .flatten()
                    .filter(|record| record.finished_at_ms.is_some())
                    .collect();
                if done.len() == some.len() {
                    written += done.iter().map(|record| record.written).sum::<u64>();
                    skipped += done.iter().map(|record| record.skipped).sum::<u64>();
                    break;
                }
                ensure!(Instant::now() < give_up, "tweets were not delivered");
                tokio::time::sleep(BETWEEN_LOOKS).await;
            }
        }
        Ok((written, skipped))
    }
}

struct Figures {
    deliveries: Series,
    raw: Series,
    reads: Series,
    delivery_cost: Series,
    raw_cost: Series,
    read_cost: Series,
}

impl Figures {
    fn new() -> Self {
        Self {
            deliveries: Series::new("deliveries", "/s"),
            raw: Series::new("redis-benchmark LPUSHX", "/s"),
            reads: Series::new("home timeline reads", "/s"),
            delivery_cost: Series::new("Redis CPU of a delivery", "ns"),
            raw_cost: Series::new("Redis CPU of an LPUSHX", "ns"),
            read_cost: Series::new("Redis CPU of a read", "ns"),
        }
    }

    fn tell(&self) {
        for series in [
            &self.deliveries,
            &self.raw,
            &self.reads,
            &self.delivery_cost,
            &self.raw_cost,
            &self.read_cost,
        ] {
            println!("{series}");
        }
        println!(
            "deliveries by LPUSHX: {:.2}",
            self.deliveries.median() / self.raw.median()
        );
        let tweet_us = (75.0 * self.delivery_cost.median() + 65.0 * self.read_cost.median()) / 1_000.0;
        println!("Redis CPU of a tweet with 75 deliveries and 65 reads: {tweet_us:.0} us");
    }
}

/// What follow-graph signs with.
fn signing_key(stack: &Stack) -> Result<String> {
    let command = stack.part("follow-graph", 0).command();
    let mut variables = command.get_envs();
    let file = variables.find(|(name, _)| *name == OsStr::new("ROOKERY__AUTH__PRIVATE_KEY_FILE"));
    let file = file
        .and_then(|(_, value)| value)
        .context("follow-graph has a signing key")?;
    Ok(std::fs::read_to_string(file)?)
}

fn address(stack: &Stack) -> Result<SocketAddr> {
    let url = stack.public_url();
    let address = url.strip_prefix("http://").unwrap_or(url);
    Ok(address.trim_end_matches('/').parse()?)
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(number: u64) -> f64 {
    number as f64
}

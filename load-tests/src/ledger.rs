//! A load whose every acknowledged tweet is remembered.
//!
//! Accounts follow each other at random, and one is followed by all. Posters and readers are open-loop: each request has
//! its moment, whether or not the ones before it have been answered, and latency counts from that moment. A post that
//! fails is sent again under the same idempotency key until it is acknowledged, so that in the end everything posted is
//! known exactly. Then [`Ledger::verify`] compares: every account's user timeline holds its acknowledged tweets, each
//! once, and every home timeline those of its followees and its own, newest first, none missing, none twice.

mod posts;
mod reads;
mod report;
mod verify;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use futures::{StreamExt, TryStreamExt, stream};
use model::{EdgeKind, TweetId, UserId};
use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use test_support::{Client, Transport};
use tokio::task::JoinSet;

pub use report::Report;

/// Accounts that are made at the same time: each costs a password hash.
const SIGN_UPS_AT_ONCE: usize = 4;
const EDGES_AT_ONCE: usize = 16;
const PASSWORD: &str = "not a secret";

/// How large the load is.
#[derive(Debug, Clone, clap::Args)]
pub struct LedgerOptions {
    /// Accounts.
    #[arg(long, default_value_t = 50)]
    pub accounts: usize,
    /// Whom each account follows, at most, beside the one that all follow.
    #[arg(long, default_value_t = 10)]
    pub follows: usize,
    /// Posts a second, over all accounts.
    #[arg(long, default_value_t = 50.0)]
    pub posts_per_second: f64,
    /// Home timeline reads a second, over all accounts.
    #[arg(long, default_value_t = 100.0)]
    pub reads_per_second: f64,
    /// What the random choices grow from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// An account of the load.
#[derive(Debug, Clone)]
struct Account {
    id: UserId,
    token: String,
    /// Whose tweets are in its home timeline, itself included.
    sees: BTreeSet<usize>,
}

/// A tweet that was acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Acknowledged {
    tweet: TweetId,
    author: usize,
}

/// The load and what is known of it.
pub struct Ledger {
    transport: Arc<dyn Transport>,
    options: LedgerOptions,
    /// Tells this load's accounts and keys from those of others.
    name: String,
    accounts: Vec<Account>,
    acknowledged: Mutex<Vec<Acknowledged>>,
    report: Mutex<Report>,
}

impl Ledger {
    /// Makes accounts and edges, through the public API.
    pub async fn prepare(transport: Arc<dyn Transport>, options: LedgerOptions) -> Result<Arc<Self>> {
        let name = format!("{:06x}", rand::random::<u32>() & 0x00ff_ffff);
        let client = Client::new(Arc::clone(&transport));
        let accounts: Vec<Account> = stream::iter(0..options.accounts)
            .map(|number| sign_up(&client, &name, number))
            .buffered(SIGN_UPS_AT_ONCE)
            .try_collect()
            .await?;
        let accounts = follow(&client, accounts, &options).await?;
        Ok(Arc::new(Self {
            transport,
            options,
            name,
            accounts,
            acknowledged: Mutex::default(),
            report: Mutex::default(),
        }))
    }

    /// Posts and reads for so long; waits until every post is acknowledged.
    pub async fn run(self: &Arc<Self>, duration: Duration) -> Result<Report> {
        let mut tasks = JoinSet::new();
        tasks.spawn(Arc::clone(self).post_for(duration));
        tasks.spawn(Arc::clone(self).read_for(duration));
        while let Some(ended) = tasks.join_next().await {
            ended.context("a part of the load has ended abnormally")??;
        }
        Ok(self.report.lock().clone())
    }

    /// How much has been acknowledged so far.
    pub fn acknowledged(&self) -> usize {
        self.acknowledged.lock().len()
    }

    /// What has been acknowledged so far.
    pub fn tweets(&self) -> Vec<TweetId> {
        self.acknowledged.lock().iter().map(|one| one.tweet).collect()
    }

    /// The system was set back to when so much had been acknowledged.
    pub fn forget_after(&self, acknowledged: usize) {
        self.acknowledged.lock().truncate(acknowledged);
    }
}

async fn sign_up(client: &Client, name: &str, number: usize) -> Result<Account> {
    let handle = format!("l{name}_{number}");
    client.sign_up(&handle, PASSWORD).await?.expect(201)?;
    let session = client.log_in(&handle, PASSWORD).await?;
    Ok(Account {
        id: session.user.id,
        token: session.token,
        sees: BTreeSet::from([number]),
    })
}

/// Everybody follows the first account, and some others.
async fn follow(client: &Client, mut accounts: Vec<Account>, options: &LedgerOptions) -> Result<Vec<Account>> {
    let mut random = StdRng::seed_from_u64(options.seed);
    let all = accounts.len();
    for account in &mut accounts {
        account.sees.insert(0);
        account
            .sees
            .extend((0..options.follows).map(|_| random.random_range(0..all)));
    }
    let edges = accounts.iter().enumerate().flat_map(|(number, account)| {
        let others = account.sees.iter().filter(move |seen| **seen != number);
        others.map(|seen| (account.token.clone(), accounts[*seen].id))
    });
    stream::iter(edges.collect::<Vec<_>>())
        .map(Ok)
        .try_for_each_concurrent(EDGES_AT_ONCE, async |(token, target)| {
            client
                .set_edge(&token, EdgeKind::Follow, target, true)
                .await?
                .expect(204)?;
            anyhow::Ok(())
        })
        .await?;
    Ok(accounts)
}

/// Moments at a steady rate, from now on for so long.
fn moments(per_second: f64, duration: Duration) -> impl Iterator<Item = Instant> {
    let begun = Instant::now();
    let pause = Duration::from_secs_f64(1.0 / per_second.max(0.001));
    (0..)
        .map(move |number: u32| pause * number)
        .take_while(move |after| *after < duration)
        .map(move |after| begun + after)
}

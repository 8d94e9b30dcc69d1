//! Accounts, follows and tweets to measure with: random, and the same in each run.

use std::collections::BTreeSet;
use std::iter;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use all_in_one::{RunningApp, StartOptions};
use anyhow::{Context, Result, anyhow, ensure};
use bootstrap::Started;
use futures::{StreamExt, TryStreamExt, stream};
use http_kit::TokenIssuer;
use model::{Author, DeliveryRecord, Strategy, SystemClock, TweetId, UserId, WorkerId};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use storage::{Credentials, Deadline, DeliveryStore, GraphStore, NewTweet, TimelineStats, TweetStore};
use storage_sqlite::{GraphOptions, SqliteGraph, SqliteTweets, TweetOptions};
use tempfile::TempDir;

use crate::metrics;

/// For calls whose time is not what is measured.
pub(crate) const PATIENCE: Duration = Duration::from_mins(5);

const IMPORT_BATCH: usize = 50_000;
const RECORDS_AT_ONCE: usize = 10_000;

/// Some hundred bytes, as people write.
pub(crate) const TEXT: &str =
    "A tweet of middling length, such as people write when they have something to say to the world.";

/// A folder for data on the disk that the project is built on: `/tmp` may be in memory, where nothing is durable.
pub(crate) fn data_folder() -> Result<TempDir> {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target");
    std::fs::create_dir_all(&target)?;
    Ok(tempfile::Builder::new().prefix("bench-").tempdir_in(target)?)
}

/// Whom each of the accounts 1, 2, … follows: `followees` others, chosen at random.
pub(crate) fn edges(accounts: u64, followees: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut dice = StdRng::seed_from_u64(accounts);
    (1..=accounts)
        .flat_map(move |follower| iter::repeat_n(follower, usize::try_from(followees).unwrap_or(usize::MAX)))
        .map(move |follower| (follower, dice.random_range(1..=accounts)))
        .filter(|(follower, followee)| follower != followee)
}

/// As [`edges`], and the followers are heavy-tailed: the `n`-th account has as many as are proportional to the inverse of the
/// root of `n`. Each follows exactly `followees` others, so that is the mean of their followers too.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "accounts are some millions at most"
)]
pub(crate) fn heavy_tailed_edges(accounts: u64, followees: usize) -> impl Iterator<Item = (u64, u64)> {
    let mut dice = StdRng::seed_from_u64(accounts);
    (1..=accounts).flat_map(move |follower| {
        let mut chosen = BTreeSet::new();
        while chosen.len() < followees {
            let followee = (dice.random::<f64>().powi(2) * accounts as f64) as u64 + 1;
            if followee != follower {
                chosen.insert(followee);
            }
        }
        chosen.into_iter().map(move |followee| (follower, followee))
    })
}

/// Makes accounts `u1`, `u2`, …, each of which follows `followees` others.
pub(crate) async fn make_graph(graph: &SqliteGraph, accounts: u64, followees: u64) -> Result<()> {
    import(graph, edges(accounts, followees)).await
}

/// Has followers follow followees, and makes the accounts that there are not yet.
pub(crate) async fn import(graph: &SqliteGraph, edges: impl Iterator<Item = (u64, u64)>) -> Result<()> {
    let mut edges = edges.peekable();
    while edges.peek().is_some() {
        let batch = edges.by_ref().take(IMPORT_BATCH).collect();
        graph.import(batch, false, Deadline::after(PATIENCE)).await?;
    }
    Ok(())
}

/// The store of tweets in a folder.
pub(crate) fn open_tweets(dir: &Path) -> Result<Arc<SqliteTweets>> {
    let options = TweetOptions {
        max_backlog: u64::MAX,
        ..TweetOptions::new(WorkerId::new(0)?)
    };
    Ok(SqliteTweets::open(dir, Arc::new(SystemClock), options)?)
}

/// The store of accounts and edges in a folder. The system starts on it only where there is a store of tweets too.
pub(crate) fn open_graph(dir: &Path) -> Result<Arc<SqliteGraph>> {
    if !dir.join("tweets.db").exists() {
        drop(open_tweets(dir)?);
    }
    Ok(SqliteGraph::open(dir, Arc::new(SystemClock), GraphOptions::default())?)
}

/// A tweet by this account.
pub(crate) fn new_tweet(author: u64) -> NewTweet {
    NewTweet {
        author: Author {
            id: UserId::new(author),
            handle: format!("u{author}"),
            display_name: format!("u{author}"),
        },
        text: TEXT.to_owned(),
        in_reply_to: None,
        trace: None,
        idempotency: None,
    }
}

/// Posts `count` tweets by random authors, many at a time.
pub(crate) async fn make_tweets(store: &SqliteTweets, accounts: u64, count: u64) -> Result<Vec<TweetId>> {
    let mut dice = StdRng::seed_from_u64(count);
    let authors = (0..count).map(move |_| dice.random_range(1..=accounts));
    let inserted = stream::iter(authors)
        .map(|author| store.insert(new_tweet(author), Deadline::after(PATIENCE)))
        .buffer_unordered(1_000)
        .map_ok(|inserted| inserted.tweet().id);
    Ok(inserted.try_collect().await?)
}

/// The books of these tweets: each has a record.
pub(crate) async fn records(deliveries: &dyn DeliveryStore, tweets: &[TweetId]) -> Result<Vec<DeliveryRecord>> {
    let mut all = Vec::new();
    for some in tweets.chunks(RECORDS_AT_ONCE) {
        let records = deliveries.get(some, Deadline::after(PATIENCE)).await?;
        all.extend(records.into_iter().flatten());
    }
    ensure!(all.len() == tweets.len(), "every tweet has a record");
    Ok(all)
}

/// The first `count` accounts.
pub(crate) async fn accounts(graph: &dyn GraphStore, count: u64) -> Result<Vec<Credentials>> {
    let mut accounts = Vec::new();
    for id in (1..=count).map(UserId::new) {
        let credentials = graph.credentials(id, Deadline::after(PATIENCE)).await?;
        accounts.push(credentials.context("accounts are numbered from 1")?);
    }
    Ok(accounts)
}

/// The real server over the data in a folder, on free ports.
pub(crate) struct Server {
    app: RunningApp,
    dir: PathBuf,
}

impl Server {
    /// Starts it with this many threads for requests.
    pub(crate) async fn start(dir: &Path, workers: usize) -> Result<Self> {
        Self::start_with(dir, workers, Strategy::Hybrid).await
    }

    /// As [`Server::start`], under this strategy.
    pub(crate) async fn start_with(dir: &Path, workers: usize, strategy: Strategy) -> Result<Self> {
        let set = |key: &str, value: String| (format!("ROOKERY__{key}"), value);
        let environment = [
            set("DATA_DIR", dir.display().to_string()),
            set("HTTP__ADDR", "127.0.0.1:0".to_owned()),
            set("HTTP__WORKERS", workers.to_string()),
            set("INTERNAL__ADDR", "127.0.0.1:0".to_owned()),
            set("TIMELINE__STRATEGY", strategy.as_str().to_owned()),
        ];
        let settings = runtime::Settings::load(None, environment.into_iter()).map_err(|errors| anyhow!("{errors}"))?;
        let app = all_in_one::start(settings, StartOptions::default()).await?;
        Ok(Self {
            app,
            dir: dir.to_owned(),
        })
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.app.public_addr
    }

    /// The sum of those of its metrics whose names begin so.
    pub(crate) async fn metric(&self, name: &str) -> Result<f64> {
        metrics::sum(&format!("http://{}", self.app.internal_addr), name).await
    }

    /// What the timelines take that it holds.
    pub(crate) async fn timeline_stats(&self) -> Result<TimelineStats> {
        Ok(self.app.timeline_stats().await?)
    }

    /// Tokens for accounts without a password, as an operator could print them.
    pub(crate) fn tokens(&self, accounts: &[Credentials]) -> Result<Vec<String>> {
        let key = std::fs::read_to_string(self.dir.join("signing-key.pem"))?;
        let issuer = TokenIssuer::new(&key, Arc::new(SystemClock))?;
        let issue = |account: &Credentials| issuer.issue(account).token;
        Ok(accounts.iter().map(issue).collect())
    }

    /// Ends it.
    pub(crate) async fn stop(self) -> Result<()> {
        Ok(Started::shutdown(self.app).await?)
    }
}

//! The real services over the embedded adapters, wired so that a test decides who comes first.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::web;
use fan_out::{FanOut, FanOutSettings};
use follow_graph::{FollowGraphService, FollowGraphSettings, PasswordCost};
use http_kit::auth::generate_private_key;
use http_kit::{AdminToken, Authenticator, ServerOptions, TokenIssuer, VerifyingKeys, serve};
use model::{
    DeliveryRecord, DisplayName, EdgeKind, Handle, Mode, Phase, RulesInForce, Strategy, SystemClock, Thresholds,
    TweetId, UserId, WorkerId,
};
use parking_lot::Mutex;
use secrecy::ExposeSecret;
use storage::{Deadline, DeliveryStore, EventLog, FollowGraph, GraphStore, NewUser, TimelineSlice, TimelineStore};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines, MemoryTweets};
use storage_sqlite::{DeliveryOptions, GraphOptions, SqliteDeliveries, SqliteGraph, SqliteTweets, TweetOptions};
use tempfile::TempDir;
use test_support::client::{HomePage, TweetBody};
use test_support::{Client, HttpTransport, Operator, PageQuery, Rules};
use timeline_read::{AuditSettings, TimelineRead, TimelineReadSettings};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tweet_ingest::TweetIngest;

use crate::believing::Believing;
use crate::held_log::{Gate, HeldLog};
use crate::repeating_log::RepeatingLog;
use crate::stepped::{SteppedTimelines, SteppedTweets};
use crate::steps::Steps;

/// No test takes as long.
pub(crate) const NEVER: Duration = Duration::from_hours(1);

pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// Waits for something to come true.
pub(crate) async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "it does not come true that {what}"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// How the system is configured. Under `hybrid` an author is pulled from three followers on, and pushed below two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) strategy: Strategy,
    /// Entries of a stored timeline.
    pub(crate) window: usize,
    /// How long a step of a crossing takes to be in force everywhere.
    pub(crate) settle: Duration,
    /// How old may be what a process believes of the follow graph.
    pub(crate) max_staleness: Duration,
    /// Authors with more followers are delivered in chunks of this size.
    pub(crate) chunk: usize,
    /// Builds that ask the stores at the same time.
    pub(crate) builders: usize,
}

impl Options {
    pub(crate) fn of(strategy: Strategy) -> Self {
        Self {
            strategy,
            window: 50,
            settle: Duration::from_millis(20),
            max_staleness: Duration::ZERO,
            chunk: 1_000,
            builders: 4,
        }
    }
}

/// An account.
#[derive(Debug, Clone)]
pub(crate) struct Account {
    pub(crate) id: UserId,
    token: String,
}

/// What is durable, and the timelines.
struct Stores {
    tweets: Arc<SqliteTweets>,
    graph: Arc<SqliteGraph>,
    deliveries: Arc<SqliteDeliveries>,
    timelines: Arc<MemoryTimelines>,
    cache: Arc<MemoryTweets>,
}

/// A running system.
pub(crate) struct World {
    /// Whose events fan-out is not handed.
    pub(crate) gate: Arc<Gate>,
    pub(crate) log: Arc<RepeatingLog>,
    pub(crate) steps: Arc<Steps>,
    pub(crate) timelines: Arc<SteppedTimelines>,
    /// What fan-out knows of the follow graph, and what timeline-read does.
    pub(crate) known_to_workers: Arc<Believing>,
    pub(crate) known_to_readers: Arc<Believing>,
    options: Options,
    stores: Stores,
    follow_graph: Arc<FollowGraphService>,
    client: Client,
    operator: Operator,
    worker: Mutex<Option<JoinHandle<()>>>,
    shutdown: CancellationToken,
    _dir: TempDir,
}

impl World {
    pub(crate) async fn of(strategy: Strategy) -> Self {
        Self::with(Options::of(strategy)).await
    }

    pub(crate) async fn with(options: Options) -> Self {
        let dir = tempfile::Builder::new().prefix("rookery-traps-").tempdir().unwrap();
        let stores = open(&dir, options);
        let key = generate_private_key();
        let follow_graph = follow_graph(&stores, options, key.expose_secret()).await;
        let steps = Arc::new(Steps::default());
        let (gate, shutdown) = (Arc::new(Gate::default()), CancellationToken::new());
        let held = HeldLog::new(stores.tweets.clone(), Arc::clone(&gate));
        let believing = || Arc::new(Believing::new(follow_graph.clone(), options.max_staleness));
        let known_to_readers = believing();
        let timelines = Arc::new(SteppedTimelines::new(stores.timelines.clone(), Arc::clone(&steps)));
        let timeline_read = TimelineRead::new(
            timeline_read::Ports {
                timelines: timelines.clone(),
                tweets: Arc::new(SteppedTweets {
                    inner: stores.tweets.clone(),
                    steps: Arc::clone(&steps),
                }),
                cache: stores.cache.clone(),
                graph: known_to_readers.clone(),
                log: stores.tweets.clone(),
                deliveries: stores.deliveries.clone(),
                edges: stores.graph.clone(),
                versions: None,
            },
            TimelineReadSettings {
                window: options.window,
                builders: options.builders,
                audit: AuditSettings::OFF,
                ..TimelineReadSettings::default()
            },
            Arc::new(SystemClock),
        );
        let tweet_ingest = TweetIngest::new(tweet_ingest::Ports {
            tweets: stores.tweets.clone(),
            log: stores.tweets.clone(),
            cache: stores.cache.clone(),
            graph: follow_graph.clone(),
        });
        tokio::spawn(Arc::clone(&follow_graph).run(shutdown.clone()));
        tokio::spawn(Arc::clone(&timeline_read).run(shutdown.clone()));
        let keys = VerifyingKeys::of_private_key(key.expose_secret()).unwrap();
        let url = serve_all(&follow_graph, tweet_ingest, timeline_read, keys, &shutdown);
        let transport = Arc::new(HttpTransport::new(url));
        let world = Self {
            gate,
            log: Arc::new(RepeatingLog::new(Arc::new(held))),
            steps,
            timelines,
            known_to_workers: believing(),
            known_to_readers,
            options,
            stores,
            follow_graph,
            client: Client::new(transport.clone()),
            operator: Operator {
                follow_graph: transport.clone(),
                fan_out: transport.clone(),
                timeline_read: transport,
                token: None,
            },
            worker: Mutex::default(),
            shutdown,
            _dir: dir,
        };
        world.start_worker(FanOutSettings::default().chunk_workers);
        world
    }

    /// Starts a process of fan-out.
    pub(crate) fn start_worker(&self, chunk_workers: usize) {
        let ports = fan_out::Ports {
            log: self.log.clone(),
            graph: self.known_to_workers.clone(),
            timelines: self.timelines.clone(),
            deliveries: self.stores.deliveries.clone(),
            tweets: self.stores.tweets.clone(),
            cache: self.stores.cache.clone(),
        };
        let settings = FanOutSettings {
            chunk: self.options.chunk,
            chunk_workers,
            longest_pause: Duration::from_millis(50),
            ..FanOutSettings::default()
        };
        let fan_out = FanOut::new(ports, settings, Arc::new(SystemClock));
        *self.worker.lock() = Some(tokio::spawn(fan_out.run(self.shutdown.clone())));
    }

    /// Ends the process of fan-out where it is.
    pub(crate) async fn kill_worker(&self) {
        let worker = self.worker.lock().take().expect("it runs");
        worker.abort();
        assert!(worker.await.unwrap_err().is_cancelled());
    }

    pub(crate) async fn account(&self, handle: &str) -> Account {
        let handle: Handle = handle.parse().unwrap();
        let user = NewUser {
            display_name: DisplayName::from(&handle),
            handle: handle.clone(),
            password_hash: None,
            idempotency: None,
        };
        let id = self.stores.graph.create_user(user, deadline()).await.unwrap().id;
        let token = self.follow_graph.issue_token(&handle, deadline()).await.unwrap();
        Account {
            id,
            token: token.unwrap(),
        }
    }

    /// So many accounts.
    pub(crate) async fn accounts<const COUNT: usize>(&self) -> [Account; COUNT] {
        let mut accounts = Vec::new();
        for number in 0..COUNT {
            accounts.push(self.account(&format!("account{number}")).await);
        }
        accounts.try_into().expect("as many as were made")
    }

    pub(crate) async fn follow(&self, reader: &Account, author: &Account) {
        self.set_edge(EdgeKind::Follow, reader, author, true).await;
    }

    pub(crate) async fn unfollow(&self, reader: &Account, author: &Account) {
        self.set_edge(EdgeKind::Follow, reader, author, false).await;
    }

    pub(crate) async fn set_edge(&self, kind: EdgeKind, actor: &Account, target: &Account, present: bool) {
        let answer = self.client.set_edge(&actor.token, kind, target.id, present).await;
        answer.unwrap().expect(204).unwrap();
    }

    pub(crate) async fn post(&self, author: &Account) -> TweetId {
        self.reply(author, None).await
    }

    /// So many tweets; oldest first.
    pub(crate) async fn posts(&self, author: &Account, count: usize) -> Vec<TweetId> {
        let mut posted = Vec::new();
        for _ in 0..count {
            posted.push(self.post(author).await);
        }
        posted
    }

    pub(crate) async fn reply(&self, author: &Account, original: Option<TweetId>) -> TweetId {
        let key = format!("{:x}", rand::random::<u64>());
        let answer = self.client.post(&author.token, "a tweet", original, &key).await;
        answer.unwrap().expect(201).unwrap().parse::<TweetBody>().unwrap().id
    }

    pub(crate) async fn delete(&self, author: &Account, tweet: TweetId) {
        let answer = self.client.delete_tweet(&author.token, tweet).await;
        answer.unwrap().expect(204).unwrap();
    }

    /// The whole home timeline, in pages of this size.
    pub(crate) async fn home_by(&self, reader: &Account, page_size: usize) -> Vec<TweetId> {
        self.client.scroll(&reader.token, page_size).await.unwrap()
    }

    /// The whole home timeline.
    pub(crate) async fn home(&self, reader: &Account) -> Vec<TweetId> {
        self.home_by(reader, 100).await
    }

    /// A page of the home timeline, which must be complete.
    pub(crate) async fn page(&self, reader: &Account, query: &PageQuery) -> HomePage {
        let page: HomePage = self
            .client
            .home(&reader.token, query)
            .await
            .unwrap()
            .expect(200)
            .unwrap()
            .parse()
            .unwrap();
        assert!(page.complete);
        page
    }

    /// What a poll from this mark shows, and the next mark.
    pub(crate) async fn poll(&self, reader: &Account, mark: &str) -> (Vec<TweetId>, String) {
        let query = PageQuery {
            newer_than: Some(mark.to_owned()),
            ..PageQuery::limit(100)
        };
        let page = self.page(reader, &query).await;
        (page.tweets.iter().map(|tweet| tweet.id).collect(), page.newest_cursor)
    }

    /// The timelines as another process has them, which nobody stops.
    pub(crate) fn timelines_elsewhere(&self) -> &dyn TimelineStore {
        &*self.stores.timelines
    }

    /// The stored timeline, if it is there and built.
    pub(crate) async fn slice(&self, reader: &Account) -> Option<TimelineSlice> {
        let stored = self.stores.timelines.read(reader.id, TweetId::MAX, 1_000, deadline());
        stored.await.unwrap().slice
    }

    /// What is stored of a timeline that is built, newest first.
    pub(crate) async fn stored(&self, reader: &Account) -> Vec<TweetId> {
        self.slice(reader).await.expect("it is built").ids
    }

    /// Reads until the timeline is stored and holds whom its reader follows.
    pub(crate) async fn built(&self, reader: &Account) {
        let view = self.follow_graph.reader(reader.id, None, deadline()).await;
        let view = view.unwrap().expect("the account is there");
        let newest = view.followees.iter().map(|followee| followee.since).max();
        until("the timeline is built", async || {
            self.page(reader, &PageQuery::limit(1)).await;
            let slice = self.slice(reader).await;
            slice.is_some_and(|slice| newest.is_none_or(|newest| slice.coverage.holds >= newest))
        })
        .await;
    }

    /// Waits until the timeline is stored, without reading: a read may ask for one more build.
    pub(crate) async fn installed(&self, reader: &Account) {
        until("the timeline is stored", async || self.slice(reader).await.is_some()).await;
    }

    /// Forgets all stored timelines of these.
    pub(crate) async fn lose_timelines(&self, readers: &[&Account]) {
        let readers: Vec<UserId> = readers.iter().map(|reader| reader.id).collect();
        self.stores.timelines.remove(&readers, deadline()).await.unwrap();
    }

    /// The books of a tweet, if fan-out has settled how it travels.
    pub(crate) async fn record(&self, tweet: TweetId) -> Option<DeliveryRecord> {
        self.stores
            .deliveries
            .get(&[tweet], deadline())
            .await
            .unwrap()
            .remove(0)
    }

    pub(crate) async fn mode(&self, tweet: TweetId) -> Mode {
        self.record(tweet).await.expect("it is settled").mode
    }

    /// Whether nothing can arrive late up to and including this tweet.
    pub(crate) async fn is_settled(&self, tweet: TweetId) -> bool {
        self.stores.tweets.settled().await.unwrap().below > tweet
    }

    /// Waits until these are delivered and acknowledged, and all that was accepted before them.
    pub(crate) async fn delivered(&self, tweets: &[TweetId]) {
        for tweet in tweets {
            until("a tweet is delivered", async || {
                let record = self.record(*tweet).await;
                record.is_some_and(|record| record.finished_at_ms.is_some()) && self.is_settled(*tweet).await
            })
            .await;
        }
    }

    /// Waits until the books of this tweet are closed, whatever else is under way.
    pub(crate) async fn finished(&self, tweet: TweetId) {
        until("a tweet is finished", async || {
            let record = self.record(tweet).await;
            record.is_some_and(|record| record.finished_at_ms.is_some())
        })
        .await;
    }

    /// Where an author stands between pushed and pulled.
    pub(crate) async fn phase(&self, author: &Account) -> Phase {
        let rules = self.follow_graph.delivery_rules(deadline()).await.unwrap();
        rules.authors.get(&author.id).map_or(Phase::Pushed, |state| state.phase)
    }

    pub(crate) async fn phase_becomes(&self, author: &Account, phase: Phase) {
        until("an author crosses", async || self.phase(author).await == phase).await;
    }

    /// Changes the strategy and waits until it is in force for everyone.
    pub(crate) async fn change_to(&self, strategy: Strategy) {
        let Thresholds { pull, push } = thresholds();
        let rules = Rules {
            strategy,
            pull_threshold: pull,
            push_threshold: push,
        };
        self.operator.set_rules(rules).await.unwrap();
        let phase = if strategy == Strategy::Pull {
            Phase::Pulled
        } else {
            Phase::Pushed
        };
        until("everyone crosses", async || {
            let rules = self.follow_graph.delivery_rules(deadline()).await.unwrap();
            rules.everyone.phase == phase
        })
        .await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

fn thresholds() -> Thresholds {
    Thresholds::new(3, 2).unwrap()
}

fn open(dir: &TempDir, options: Options) -> Stores {
    let (dir, clock) = (dir.path(), Arc::new(SystemClock));
    let timelines = MemoryTimelineOptions {
        window: options.window,
        ..MemoryTimelineOptions::default()
    };
    Stores {
        tweets: SqliteTweets::open(dir, clock.clone(), TweetOptions::new(WorkerId::new(1).unwrap())).unwrap(),
        graph: SqliteGraph::open(dir, clock.clone(), GraphOptions::default()).unwrap(),
        deliveries: SqliteDeliveries::open(dir, DeliveryOptions::default()).unwrap(),
        timelines: MemoryTimelines::new(clock, timelines),
        cache: MemoryTweets::new(1 << 20),
    }
}

async fn follow_graph(stores: &Stores, options: Options, key: &str) -> Arc<FollowGraphService> {
    let ports = follow_graph::Ports {
        store: stores.graph.clone(),
        feed: None,
        versions: None,
        log: stores.tweets.clone(),
        counts: stores.tweets.clone(),
    };
    let settings = FollowGraphSettings {
        rules: RulesInForce {
            strategy: options.strategy,
            thresholds: thresholds(),
        },
        crossing_settle: options.settle,
        crossing_margin: Duration::from_millis(20),
        following_limit: 5_000,
        hashing_concurrency: 1,
        password_cost: PasswordCost::Recommended,
    };
    let clock = Arc::new(SystemClock);
    let issuer = TokenIssuer::new(key, clock.clone()).unwrap();
    FollowGraphService::new(ports, settings, issuer, clock).await.unwrap()
}

/// All routes on one port; answers where.
fn serve_all(
    follow_graph: &Arc<FollowGraphService>,
    tweet_ingest: Arc<TweetIngest>,
    timeline_read: Arc<TimelineRead>,
    keys: VerifyingKeys,
    shutdown: &CancellationToken,
) -> String {
    let authenticator = Authenticator::new(keys, follow_graph.clone(), Arc::new(SystemClock));
    let (authenticator, admin) = (web::Data::new(authenticator), web::Data::new(AdminToken(None)));
    let public = follow_graph::routes(Arc::clone(follow_graph), &follow_graph::openapi());
    let operators = follow_graph::internal_routes(Arc::clone(follow_graph));
    let posting = tweet_ingest::routes(tweet_ingest);
    let reading = timeline_read::routes(timeline_read);
    let configure = move |config: &mut web::ServiceConfig| {
        config
            .app_data(authenticator.clone())
            .app_data(admin.clone())
            .configure(public.clone())
            .configure(operators.clone())
            .configure(posting.clone())
            .configure(reading.clone());
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let options = ServerOptions {
        workers: 1,
        ..ServerOptions::default()
    };
    tokio::spawn(serve(listener, options, configure, shutdown.clone()));
    url
}

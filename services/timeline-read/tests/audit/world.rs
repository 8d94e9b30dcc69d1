//! Accounts, their follows and tweets, with everything that runs behind reads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fan_out::{FanOut, FanOutSettings};
use follow_graph::{FollowGraphService, FollowGraphSettings, PasswordCost};
use http_kit::TokenIssuer;
use http_kit::auth::generate_private_key;
use model::{
    ActorVersion, Author, AuthorRange, Coverage, EdgeKind, IdRange, RulesInForce, Strategy, SystemClock, Thresholds,
    TweetId, UserId, WorkerId,
};
use secrecy::ExposeSecret;
use storage::{
    Built, Deadline, DeleteTweet, EdgeRecord, EdgeRecords, EdgeWrite, EventLog, GraphStore, NewTweet, StoreError,
    TimelineStore, TweetStore,
};
use storage_memory::MemoryTweets;
use storage_sqlite::{DeliveryOptions, GraphOptions, SqliteDeliveries, SqliteGraph, SqliteTweets, TweetOptions};
use tempfile::TempDir;
use timeline_read::{AuditSettings, Ports, TimelineRead, TimelineReadSettings};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Accounts, by the numbers that they are imported under.
pub(crate) const READER: u64 = 1;
pub(crate) const FRIEND: u64 = 2;
/// Followed at first.
pub(crate) const LEFT: u64 = 3;
/// Not followed by the reader.
pub(crate) const STRANGER: u64 = 4;

pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

pub(crate) struct World {
    pub(crate) service: Arc<TimelineRead>,
    timelines: Arc<dyn TimelineStore>,
    tweets: Arc<SqliteTweets>,
    graph: Arc<SqliteGraph>,
    follow_graph: Arc<FollowGraphService>,
    follows: Arc<Misled>,
    /// By number.
    users: Vec<UserId>,
    _running: DropGuard,
    _data: TempDir,
}

impl World {
    /// In which nobody has a timeline yet.
    pub(crate) async fn new(timelines: Arc<dyn TimelineStore>) -> Self {
        let data = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let tweets = TweetOptions::new(WorkerId::new(0).unwrap());
        let tweets = SqliteTweets::open(data.path(), clock.clone(), tweets).unwrap();
        let graph = SqliteGraph::open(data.path(), clock.clone(), GraphOptions::default()).unwrap();
        let follow_graph = follow_graph(&graph, &tweets).await;
        let edges = vec![(READER, FRIEND), (READER, LEFT), (FRIEND, STRANGER)];
        follow_graph.import(edges, false, deadline()).await.unwrap();
        let mut users = vec![UserId::new(0)];
        for number in READER..=STRANGER {
            let handle = format!("u{number}").parse().unwrap();
            users.push(graph.user_by_handle(&handle, deadline()).await.unwrap().unwrap().id);
        }
        let deliveries = SqliteDeliveries::open(data.path(), DeliveryOptions::default()).unwrap();
        let fan_out = FanOut::new(
            fan_out::Ports {
                log: tweets.clone(),
                graph: follow_graph.clone(),
                timelines: Arc::clone(&timelines),
                deliveries: deliveries.clone(),
                tweets: tweets.clone(),
                cache: MemoryTweets::new(1 << 20),
            },
            FanOutSettings::default(),
            clock.clone(),
        );
        let follows = Arc::new(Misled {
            graph: Arc::clone(&graph),
            wrong: AtomicUsize::new(0),
        });
        let ports = Ports {
            timelines: Arc::clone(&timelines),
            tweets: tweets.clone(),
            cache: MemoryTweets::new(1 << 20),
            graph: follow_graph.clone(),
            log: tweets.clone(),
            deliveries,
            edges: follows.clone(),
            versions: None,
        };
        let settings = TimelineReadSettings {
            audit: AuditSettings::OFF,
            ..TimelineReadSettings::default()
        };
        let service = TimelineRead::new(ports, settings, clock);
        let ending = CancellationToken::new();
        tokio::spawn(fan_out.run(ending.clone()));
        tokio::spawn(Arc::clone(&service).run(ending.clone()));
        Self {
            service,
            timelines,
            tweets,
            graph,
            follow_graph,
            follows,
            users,
            _running: ending.drop_guard(),
            _data: data,
        }
    }

    /// In which the reader has one.
    pub(crate) async fn with_timeline(timelines: Arc<dyn TimelineStore>) -> Self {
        let world = Self::new(timelines).await;
        world.build(READER).await;
        world
    }

    pub(crate) fn user(&self, number: u64) -> UserId {
        self.users[usize::try_from(number).unwrap()]
    }

    /// Gives somebody a timeline.
    pub(crate) async fn build(&self, number: u64) {
        let user = self.user(number);
        let ticket = self.timelines.begin_build(user, deadline()).await.unwrap();
        let nothing = Built {
            ids: Vec::new(),
            coverage: Coverage {
                complete_from: TweetId::MAX,
                holds: ActorVersion(0),
            },
        };
        assert!(self.timelines.install(ticket, nothing, deadline()).await.unwrap());
        self.service.rebuild(user, deadline()).await.unwrap();
    }

    /// The next looks, so many, are told that the reader has never followed anybody.
    pub(crate) fn mislead(&self, looks: usize) {
        self.follows.wrong.store(looks, Ordering::SeqCst);
    }

    pub(crate) async fn has_timeline(&self, number: u64) -> bool {
        let stored = self.timelines.inspect(self.user(number), deadline()).await.unwrap();
        stored.is_some()
    }

    /// The entries of somebody's timeline, newest first, and its mark.
    pub(crate) async fn stored(&self, number: u64) -> (Vec<TweetId>, TweetId) {
        let stored = self
            .timelines
            .inspect(self.user(number), deadline())
            .await
            .unwrap()
            .unwrap();
        (stored.ids, stored.coverage.complete_from)
    }

    /// Posts tweets, and waits until they are delivered.
    pub(crate) async fn post(&self, number: u64, count: usize) -> Vec<TweetId> {
        let mut posted = Vec::new();
        for _ in 0..count {
            let tweet = NewTweet {
                author: Author {
                    id: self.user(number),
                    handle: format!("u{number}"),
                    display_name: format!("u{number}"),
                },
                text: "t".into(),
                in_reply_to: None,
                trace: None,
                idempotency: None,
            };
            posted.push(self.tweets.insert(tweet, deadline()).await.unwrap().tweet().id);
        }
        let begun = Instant::now();
        while self.tweets.backlog().await.unwrap().events > 0 {
            assert!(begun.elapsed() < Duration::from_mins(1), "they are not delivered");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        posted
    }

    pub(crate) async fn delete(&self, number: u64, id: TweetId) {
        let delete = DeleteTweet {
            id,
            by: self.user(number),
            trace: None,
            idempotency: None,
        };
        self.tweets.delete(delete, deadline()).await.unwrap();
    }

    pub(crate) async fn tweets_of(&self, number: u64) -> Vec<TweetId> {
        let source = AuthorRange {
            author: self.user(number),
            range: IdRange::ALL,
        };
        let page = self
            .tweets
            .page(&[source], TweetId::MAX, 100, deadline())
            .await
            .unwrap();
        page.entries.iter().map(|entry| entry.id).collect()
    }

    /// Makes or removes an edge.
    pub(crate) async fn edge(&self, kind: EdgeKind, actor: u64, target: u64, present: bool) {
        let (actor, target) = (self.user(actor), self.user(target));
        let write = EdgeWrite {
            kind,
            actor,
            target,
            present,
            limit: 100,
            idempotency: None,
        };
        self.graph.write_edge(write, deadline()).await.unwrap();
        self.follow_graph.replica().edge_changed(kind, actor, target);
    }

    pub(crate) async fn delete_account(&self, number: u64) {
        let user = self.user(number);
        self.graph.delete_user(user, deadline()).await.unwrap();
        self.follow_graph.replica().standing.deleted(user);
        self.follow_graph.replica().views.changed(user);
        self.graph.purge_deleted(100, deadline()).await.unwrap();
        self.follow_graph.replica().all_edges_changed();
    }
}

async fn follow_graph(graph: &Arc<SqliteGraph>, tweets: &Arc<SqliteTweets>) -> Arc<FollowGraphService> {
    let clock = Arc::new(SystemClock);
    let ports = follow_graph::Ports {
        store: graph.clone(),
        feed: None,
        versions: None,
        log: tweets.clone(),
        counts: tweets.clone(),
    };
    let settings = FollowGraphSettings {
        rules: RulesInForce {
            strategy: Strategy::Push,
            thresholds: Thresholds::new(100, 80).unwrap(),
        },
        crossing_settle: Duration::from_millis(500),
        crossing_margin: Duration::from_millis(500),
        following_limit: 100,
        hashing_concurrency: 1,
        password_cost: PasswordCost::Recommended,
    };
    let issuer = TokenIssuer::new(generate_private_key().expose_secret(), clock.clone()).unwrap();
    FollowGraphService::new(ports, settings, issuer, clock).await.unwrap()
}

/// Whom readers ever followed; at times it says nobody, as if a look had been made at an earlier moment.
struct Misled {
    graph: Arc<SqliteGraph>,
    wrong: AtomicUsize,
}

#[async_trait]
impl EdgeRecords for Misled {
    async fn edges_between(
        &self,
        one: UserId,
        other: UserId,
        deadline: Deadline,
    ) -> Result<Vec<EdgeRecord>, StoreError> {
        self.graph.edges_between(one, other, deadline).await
    }

    async fn ever_followed(
        &self,
        reader: UserId,
        authors: &[UserId],
        deadline: Deadline,
    ) -> Result<Vec<bool>, StoreError> {
        let one_less = |wrong: usize| wrong.checked_sub(1);
        if self
            .wrong
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less)
            .is_ok()
        {
            return Ok(vec![false; authors.len()]);
        }
        self.graph.ever_followed(reader, authors, deadline).await
    }
}

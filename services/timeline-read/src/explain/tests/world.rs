//! One reader and one author over real stores.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use graph_replica::StoreGraph;
use model::{
    Author, Coverage, DeliveryRecord, DeliveryState, EdgeKind, Event, Mode, RulesInForce, Strategy, Subject,
    SystemClock, Thresholds, TweetId, UserId, WorkerId,
};
use parking_lot::Mutex;
use storage::{
    AsideTweet, Backlog, Built, Deadline, DeleteTweet, DeliveryStore, EdgeWrite, EventLog, GraphStore, Inserted,
    NewTweet, NewUser, PushBatch, Receipt, Received, Settled, StoreError, TimelineStore, TweetStore,
};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines, MemoryTweets};
use storage_sqlite::{DeliveryOptions, GraphOptions, SqliteDeliveries, SqliteGraph, SqliteTweets, TweetOptions};
use tempfile::TempDir;

use super::super::{Explanation, Rule, Step, Verdict};
use crate::TimelineReadSettings;
use crate::service::{Ports, TimelineRead};

const RULES: RulesInForce = RulesInForce {
    strategy: Strategy::Hybrid,
    thresholds: match Thresholds::new(100, 80) {
        Ok(thresholds) => thresholds,
        Err(_) => panic!("they do not cross"),
    },
};

pub(super) fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

pub(super) struct World {
    /// Who reads.
    pub(super) reader: UserId,
    /// Whom the reader follows.
    pub(super) author: UserId,
    pub(super) tweets: Arc<SqliteTweets>,
    pub(super) graph: Arc<SqliteGraph>,
    pub(super) deliveries: Arc<SqliteDeliveries>,
    pub(super) timelines: Arc<MemoryTimelines>,
    pub(super) log: Arc<AsideLog>,
    pub(super) ports: Ports,
    pub(super) service: Arc<TimelineRead>,
    pub(super) dir: TempDir,
}

impl World {
    /// The reader follows the author, and has a stored timeline that holds this follow.
    pub(super) async fn new() -> Self {
        let world = Self::without_timeline().await;
        world.build(&[], TweetId::MIN).await;
        world
    }

    /// The same, with nothing stored.
    pub(super) async fn without_timeline() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let options = TweetOptions::new(WorkerId::new(1).unwrap());
        let tweets = SqliteTweets::open(dir.path(), clock.clone(), options).unwrap();
        let graph = SqliteGraph::open(dir.path(), clock.clone(), GraphOptions::default()).unwrap();
        let deliveries = SqliteDeliveries::open(dir.path(), DeliveryOptions::default()).unwrap();
        let timelines = MemoryTimelines::new(clock.clone(), MemoryTimelineOptions::default());
        let log = Arc::new(AsideLog {
            inner: tweets.clone(),
            aside: Mutex::default(),
        });
        let ports = Ports {
            timelines: timelines.clone(),
            tweets: tweets.clone(),
            cache: MemoryTweets::new(1 << 20),
            graph: Arc::new(StoreGraph::new(graph.clone(), RULES)),
            log: log.clone(),
            deliveries: deliveries.clone(),
            edges: graph.clone(),
            versions: None,
        };
        let mut world = Self {
            reader: UserId::new(0),
            author: UserId::new(0),
            tweets,
            graph,
            deliveries,
            timelines,
            log,
            service: TimelineRead::new(ports.clone(), TimelineReadSettings::default(), clock),
            ports,
            dir,
        };
        world.reader = world.account("reader").await;
        world.author = world.account("author").await;
        world.edge(EdgeKind::Follow, world.reader, world.author, true).await;
        world
    }

    pub(super) async fn account(&self, handle: &str) -> UserId {
        let user = NewUser {
            handle: handle.parse().unwrap(),
            display_name: handle.parse().unwrap(),
            password_hash: None,
            idempotency: None,
        };
        self.graph.create_user(user, deadline()).await.unwrap().id
    }

    pub(super) async fn edge(&self, kind: EdgeKind, actor: UserId, target: UserId, present: bool) {
        let write = EdgeWrite {
            kind,
            actor,
            target,
            present,
            limit: 100,
            idempotency: None,
        };
        self.graph.write_edge(write, deadline()).await.unwrap();
    }

    /// Stores a timeline with these tweets, complete down to `complete_from`, that holds the reader's present follows.
    pub(super) async fn build(&self, ids: &[TweetId], complete_from: TweetId) {
        let view = self.graph.reader(self.reader, deadline()).await.unwrap().unwrap();
        let coverage = Coverage {
            complete_from,
            holds: view.version,
        };
        self.build_as(ids, coverage).await;
    }

    pub(super) async fn build_as(&self, ids: &[TweetId], coverage: Coverage) {
        let ticket = self.timelines.begin_build(self.reader, deadline()).await.unwrap();
        let built = Built {
            ids: ids.to_vec(),
            coverage,
        };
        assert!(self.timelines.install(ticket, built, deadline()).await.unwrap());
    }

    pub(super) async fn post(&self, author: UserId) -> TweetId {
        self.reply(author, None).await
    }

    pub(super) async fn reply(&self, author: UserId, in_reply_to: Option<TweetId>) -> TweetId {
        let tweet = NewTweet {
            author: Author {
                id: author,
                handle: "author".into(),
                display_name: "Author".into(),
            },
            text: "t".into(),
            in_reply_to,
            trace: None,
            idempotency: None,
        };
        let Inserted::Accepted(tweet, event) = self.tweets.insert(tweet, deadline()).await.unwrap() else {
            panic!("a request without a key is never a repetition");
        };
        self.tweets.publish(&[event]).await.unwrap();
        tweet.id
    }

    pub(super) async fn delete(&self, author: UserId, id: TweetId) {
        let delete = DeleteTweet {
            id,
            by: author,
            trace: None,
            idempotency: None,
        };
        self.tweets.delete(delete, deadline()).await.unwrap();
    }

    /// Pushes to the reader, as fan-out does.
    pub(super) async fn push(&self, tweet: TweetId) {
        let batch = PushBatch::group(&mut vec![(self.reader, tweet)]);
        self.timelines.push(&batch, deadline()).await.unwrap();
    }

    /// Records that it is done, whether or not anything was.
    pub(super) async fn record(&self, tweet: TweetId, mode: Mode) {
        let record = DeliveryRecord {
            tweet,
            author: self.author,
            mode,
            expected: u64::from(mode.is_pushed()),
            written: u64::from(mode.is_pushed()),
            skipped: 0,
            unfollowed: 0,
            accepted_at_ms: tweet.unix_ms(),
            finished_at_ms: Some(tweet.unix_ms() + 9),
        };
        self.deliveries.record(vec![record], deadline()).await.unwrap();
    }

    /// Acknowledges all events.
    pub(super) async fn settle(&self) {
        loop {
            let received = self.tweets.receive(100, Duration::ZERO).await.unwrap();
            let receipts: Vec<Receipt> = received.iter().map(|received| received.receipt).collect();
            if receipts.is_empty() {
                return;
            }
            self.tweets.acknowledge(&receipts).await.unwrap();
        }
    }

    /// All that fan-out does for a tweet of few followers.
    pub(super) async fn deliver(&self, tweet: TweetId) {
        self.push(tweet).await;
        self.record(tweet, Mode::Push).await;
        self.settle().await;
    }

    pub(super) async fn set_state(&self, subject: Subject, state: DeliveryState) {
        let version = self.graph.delivery_rules(RULES, deadline()).await.unwrap().version;
        let set = self.graph.set_delivery(vec![(subject, state)], version, deadline());
        assert!(set.await.unwrap().is_some());
    }

    pub(super) async fn explain(&self, tweet: TweetId) -> Explanation {
        self.explain_to(self.reader, tweet).await
    }

    /// The explanation, which must be in order.
    pub(super) async fn explain_to(&self, reader: UserId, tweet: TweetId) -> Explanation {
        let explanation = self.service.explain(reader, tweet, deadline()).await.unwrap();
        let steps = &explanation.steps;
        assert!(steps.is_sorted_by_key(|step| step.rule), "{explanation:#?}");
        assert!(steps.iter().all(|step| !step.detail.is_empty()), "{explanation:#?}");
        if explanation.steps.iter().all(|step| step.rule != Rule::Read) {
            let follows = Explanation::follows_from_its_steps(steps);
            assert_eq!(explanation.visible, follows, "{explanation:#?}");
        }
        explanation
    }

    /// What the rule comes to, where nothing contradicts itself.
    pub(super) async fn verdict(&self, tweet: TweetId, rule: Rule) -> (Verdict, String) {
        let explanation = self.explain(tweet).await;
        assert_eq!(
            explanation.with(Verdict::Contradiction).next(),
            None,
            "{explanation:#?}"
        );
        let Step { verdict, detail, .. } = of_rule(&explanation, rule);
        (verdict, detail)
    }
}

/// The only step of this rule.
pub(super) fn of_rule(explanation: &Explanation, rule: Rule) -> Step {
    let steps: Vec<&Step> = explanation.steps.iter().filter(|step| step.rule == rule).collect();
    let [step] = steps[..] else {
        panic!("not one step of {rule:?}: {explanation:#?}")
    };
    step.clone()
}

/// An event log in which tweets are set aside, as the log of one process never has them.
pub(super) struct AsideLog {
    inner: Arc<SqliteTweets>,
    pub(super) aside: Mutex<Vec<AsideTweet>>,
}

#[async_trait]
impl EventLog for AsideLog {
    async fn publish(&self, events: &[Event]) -> Result<(), StoreError> {
        self.inner.publish(events).await
    }

    async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, StoreError> {
        self.inner.receive(max, wait).await
    }

    async fn acknowledge(&self, receipts: &[Receipt]) -> Result<(), StoreError> {
        self.inner.acknowledge(receipts).await
    }

    async fn backlog(&self) -> Result<Backlog, StoreError> {
        self.inner.backlog().await
    }

    async fn settled(&self) -> Result<Settled, StoreError> {
        let settled = self.inner.settled().await?;
        Ok(Settled {
            aside: self.aside.lock().as_slice().into(),
            ..settled
        })
    }

    async fn highest(&self) -> Result<TweetId, StoreError> {
        self.inner.highest().await
    }
}

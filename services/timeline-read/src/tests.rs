//! Reads and builds over real stores, with a follow graph that says what a test wants.

mod builds;
mod scroll;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use model::{
    ActorVersion, Author, ChunkPlan, DeliveryRules, DeliveryState, Followee, ReaderView, RulesInForce, Session,
    Strategy, SystemClock, Thresholds, TweetId, User, UserId, WorkerId,
};
use parking_lot::Mutex;
use storage::{
    ChunksRequest, Deadline, EdgeRecord, EdgeRecords, FollowGraph, FollowerPage, FollowerPageRequest, NewTweet,
    StoreError, TweetStore,
};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines, MemoryTweets};
use storage_sqlite::{DeliveryOptions, SqliteDeliveries, SqliteTweets, TweetOptions};
use tempfile::TempDir;

use crate::service::{Ports, TimelineRead};
use crate::settings::TimelineReadSettings;

/// Whom everybody follows. All authors are pulled.
const AUTHOR: UserId = UserId::new(1);
const READER: UserId = UserId::new(2);

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// Waits for something to come true.
async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

struct World {
    tweets: Arc<SqliteTweets>,
    graph: Arc<Graph>,
    service: Arc<TimelineRead>,
    _dir: TempDir,
}

impl World {
    fn new(graph: Graph, settings: TimelineReadSettings) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let options = TweetOptions::new(WorkerId::new(1).unwrap());
        let tweets = SqliteTweets::open(dir.path(), clock.clone(), options).unwrap();
        let graph = Arc::new(graph);
        let ports = Ports {
            timelines: MemoryTimelines::new(clock.clone(), MemoryTimelineOptions::default()),
            tweets: tweets.clone(),
            cache: MemoryTweets::new(1 << 20),
            graph: graph.clone(),
            log: tweets.clone(),
            deliveries: SqliteDeliveries::open(dir.path(), DeliveryOptions::default()).unwrap(),
            edges: graph.clone(),
            versions: None,
        };
        Self {
            tweets,
            graph,
            service: TimelineRead::new(ports, settings, clock),
            _dir: dir,
        }
    }

    /// Another service over the same stores.
    fn replica(&self) -> Arc<TimelineRead> {
        TimelineRead::new(
            self.service.ports.clone(),
            TimelineReadSettings::default(),
            Arc::new(SystemClock),
        )
    }

    async fn post(&self) -> TweetId {
        let tweet = NewTweet {
            author: Author {
                id: AUTHOR,
                handle: "ada".into(),
                display_name: "Ada".into(),
            },
            text: "t".into(),
            in_reply_to: None,
            trace: None,
            idempotency: None,
        };
        self.tweets.insert(tweet, deadline()).await.unwrap().tweet().id
    }
}

#[derive(Default)]
struct Graph {
    /// Who is never answered.
    stuck: Option<UserId>,
    staleness: Duration,
    asked: Mutex<Vec<UserId>>,
}

fn not_asked<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable(
        "follow-graph",
        "timeline-read does not ask this",
    ))
}

#[async_trait]
impl FollowGraph for Graph {
    async fn reader(
        &self,
        reader: UserId,
        _: Option<ActorVersion>,
        _: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        self.asked.lock().push(reader);
        if self.stuck == Some(reader) {
            return std::future::pending().await;
        }
        let author = Followee {
            id: AUTHOR,
            since: ActorVersion(1),
        };
        Ok(Some(Arc::new(ReaderView {
            reader,
            version: ActorVersion(1),
            followees: vec![author],
            muted: Vec::new(),
            blocked: Vec::new(),
        })))
    }

    async fn delivery_rules(&self, _: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        let mut everyone = DeliveryState::pushed();
        everyone.open(TweetId::MIN, 0);
        everyone.stop_pushing(0);
        Ok(Arc::new(DeliveryRules {
            version: 1,
            in_force: RulesInForce {
                strategy: Strategy::Pull,
                thresholds: Thresholds::new(100, 80).unwrap(),
            },
            everyone,
            authors: HashMap::default(),
        }))
    }

    async fn deleted_among(&self, _: &[UserId], _: Deadline) -> Result<Vec<UserId>, StoreError> {
        Ok(Vec::new())
    }

    async fn followers(&self, _: &[FollowerPageRequest], _: Deadline) -> Result<Vec<FollowerPage>, StoreError> {
        not_asked()
    }

    async fn chunks(&self, _: ChunksRequest, _: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        not_asked()
    }

    async fn users(&self, _: &[UserId], _: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        not_asked()
    }

    async fn is_revoked(&self, _: &Session, _: Deadline) -> Result<bool, StoreError> {
        not_asked()
    }

    fn max_staleness(&self) -> Duration {
        self.staleness
    }

    fn believable_until(&self) -> Option<Instant> {
        None
    }
}

#[async_trait]
impl EdgeRecords for Graph {
    async fn edges_between(&self, _: UserId, _: UserId, _: Deadline) -> Result<Vec<EdgeRecord>, StoreError> {
        Ok(Vec::new())
    }

    async fn ever_followed(&self, _: UserId, authors: &[UserId], _: Deadline) -> Result<Vec<bool>, StoreError> {
        Ok(authors.iter().map(|author| *author == AUTHOR).collect())
    }
}

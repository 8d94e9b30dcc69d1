//! Processes that share their stores, each with a follow graph that holds it back at a gate.

use std::collections::{BTreeSet, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use fan_out::{FanOut, FanOutSettings, Ports};
use model::{
    ActorVersion, Author, ChunkPlan, Coverage, DeliveryRules, DeliveryState, ReaderView, RulesInForce, Session,
    Strategy, SystemClock, Thresholds, TraceContext, TweetId, User, UserId, WorkerId,
};
use parking_lot::Mutex;
use storage::{
    Built, ChunksRequest, Deadline, DeleteTweet, DeliveryStore, EventLog, FollowGraph, FollowerPage,
    FollowerPageRequest, NewTweet, PendingChunk, RenderedTweet, StoreError, TimelineStore, TweetCache, TweetStore,
};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines, MemoryTweets};
use storage_sqlite::{DeliveryOptions, SqliteDeliveries, SqliteTweets, TweetOptions};
use telemetry::Metrics;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SMALL: UserId = UserId::new(1);
pub(crate) const HUGE: UserId = UserId::new(2);
pub(crate) const CHUNKS: usize = 10;

pub(crate) const CHUNK: u64 = 5;
const TRIES: u32 = 3;
/// Chunks that are planned in one go.
pub(crate) const PAGE: usize = 3;
/// All follow the huge author, and the first few the small one.
pub(crate) const FOLLOWERS: Range<u64> = 10..10 + CHUNK * CHUNKS as u64;
const OF_SMALL: Range<u64> = 10..13;

fn deadline() -> Deadline {
    Deadline::after(Duration::from_mins(1))
}

/// Waits for something to come true.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The stores.
pub(crate) struct World {
    tweets: Arc<SqliteTweets>,
    deliveries: Arc<SqliteDeliveries>,
    timelines: Arc<MemoryTimelines>,
    pub(crate) cache: Arc<MemoryTweets>,
    _dir: TempDir,
}

impl World {
    /// In which every follower has a timeline.
    pub(crate) async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = Arc::new(SystemClock);
        let timelines = MemoryTimelines::new(clock.clone(), MemoryTimelineOptions::default());
        for follower in FOLLOWERS.map(UserId::new) {
            let ticket = timelines.begin_build(follower, deadline()).await.unwrap();
            let built = Built {
                ids: Vec::new(),
                coverage: Coverage {
                    complete_from: TweetId::new(1),
                    holds: ActorVersion(0),
                },
            };
            assert!(timelines.install(ticket, built, deadline()).await.unwrap());
        }
        Self {
            tweets: SqliteTweets::open(dir.path(), clock, TweetOptions::new(WorkerId::new(1).unwrap())).unwrap(),
            deliveries: SqliteDeliveries::open(dir.path(), DeliveryOptions::default()).unwrap(),
            timelines,
            cache: MemoryTweets::new(1 << 20),
            _dir: dir,
        }
    }

    pub(crate) fn process(&self) -> Process {
        let gate = Arc::new(Gate::default());
        let ports = Ports {
            log: self.tweets.clone(),
            graph: Arc::new(Graph(Arc::clone(&gate))),
            timelines: self.timelines.clone(),
            deliveries: self.deliveries.clone(),
            tweets: self.tweets.clone(),
            cache: self.cache.clone(),
        };
        let settings = FanOutSettings {
            chunk: usize::try_from(CHUNK).unwrap(),
            planned_at_once: PAGE,
            chunk_tries: TRIES,
            longest_pause: Duration::from_millis(100),
            books_every: Duration::from_millis(20),
            ..FanOutSettings::default()
        };
        let workers = settings.chunk_workers;
        let fan_out = FanOut::new(ports, settings, Arc::new(SystemClock));
        let mut metrics = Metrics::default();
        fan_out.register(&mut metrics);
        let shutdown = CancellationToken::new();
        Process {
            gate,
            metrics,
            workers,
            running: tokio::spawn(fan_out.run(shutdown.clone())),
            shutdown,
        }
    }

    pub(crate) async fn post(&self, author: UserId) -> TweetId {
        self.post_traced(author, None).await
    }

    /// As a request of this trace would.
    pub(crate) async fn post_traced(&self, author: UserId, trace: Option<TraceContext>) -> TweetId {
        let tweet = NewTweet {
            author: Author {
                id: author,
                handle: "ada".into(),
                display_name: "Ada".into(),
            },
            text: "t".into(),
            in_reply_to: None,
            trace,
            idempotency: None,
        };
        self.tweets.insert(tweet, deadline()).await.unwrap().tweet().id
    }

    pub(crate) async fn is_finished(&self, tweet: TweetId) -> bool {
        let record = self.deliveries.get(&[tweet], deadline()).await.unwrap().remove(0);
        record.is_some_and(|record| record.finished_at_ms.is_some())
    }

    /// How many followers' timelines the books say it is in.
    pub(crate) async fn written(&self, tweet: TweetId) -> u64 {
        let record = self.deliveries.get(&[tweet], deadline()).await.unwrap().remove(0);
        record.map_or(0, |record| record.written)
    }

    /// Somebody takes the next event and acknowledges it, and does nothing else.
    pub(crate) async fn acknowledge_only(&self) {
        let received = self.tweets.receive(1, Duration::from_mins(1)).await.unwrap();
        self.tweets.acknowledge(&[received[0].receipt]).await.unwrap();
    }

    /// Deletes a tweet of this author, and dies before the cache hears of it.
    pub(crate) async fn delete_and_die(&self, id: TweetId, by: UserId) {
        let delete = DeleteTweet {
            id,
            by,
            trace: None,
            idempotency: None,
        };
        assert!(self.tweets.delete(delete, deadline()).await.unwrap().is_some());
    }

    pub(crate) async fn is_cached(&self, id: TweetId) -> bool {
        self.cache.get(&[id], deadline()).await.unwrap().tweets[0].is_some()
    }

    pub(crate) async fn cache(&self, id: TweetId, author: UserId) {
        let epoch = self.cache.get(&[id], deadline()).await.unwrap().epoch;
        let tweet = RenderedTweet {
            id,
            author,
            in_reply_to: None,
            json: "{}".into(),
        };
        self.cache.put(vec![Arc::new(tweet)], epoch, deadline()).await.unwrap();
    }

    pub(crate) async fn aside(&self) -> Vec<PendingChunk> {
        self.deliveries.list_aside(100, deadline()).await.unwrap()
    }

    pub(crate) async fn replay(&self) {
        self.deliveries.replay_aside(deadline()).await.unwrap();
    }

    /// Waits until every event is acknowledged.
    pub(crate) async fn settled(&self) {
        until(async || self.tweets.backlog().await.unwrap().events == 0).await;
    }

    /// Every follower has these, newest first, and nothing else; and the books say so.
    pub(crate) async fn assert_delivered(&self, tweets: &[TweetId]) {
        let records = self.deliveries.get(tweets, deadline()).await.unwrap();
        let records: Vec<_> = records.into_iter().map(Option::unwrap).collect();
        for record in &records {
            assert_eq!(record.written, audience(record.author).count() as u64, "{record:?}");
        }
        for follower in FOLLOWERS {
            let due = records
                .iter()
                .filter(|record| audience(record.author).any(|one| one == follower));
            let mut due: Vec<TweetId> = due.map(|record| record.tweet).collect();
            due.sort_unstable_by(|one, other| other.cmp(one));
            assert_eq!(self.timeline(UserId::new(follower)).await, due, "of {follower}");
        }
    }

    pub(crate) async fn timeline(&self, reader: UserId) -> Vec<TweetId> {
        let stored = self.timelines.read(reader, TweetId::MAX, 100, deadline());
        stored.await.unwrap().slice.unwrap().ids
    }
}

fn audience(author: UserId) -> Range<u64> {
    if author == HUGE { FOLLOWERS } else { OF_SMALL }
}

/// A process of fan-out.
pub(crate) struct Process {
    pub(crate) gate: Arc<Gate>,
    metrics: Metrics,
    workers: usize,
    running: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl Process {
    /// What it says of a metric, by its name and labels; `None` where it says nothing.
    pub(crate) fn metric(&self, name: &str) -> Option<u64> {
        let text = self.metrics.render().unwrap();
        let value = |line: &str| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value)
    }

    /// Waits until a metric has this value.
    pub(crate) async fn until_metric(&self, name: &str, value: u64) {
        let begun = Instant::now();
        while self.metric(name) != Some(value) {
            let seen = self.metric(name);
            assert!(
                begun.elapsed() < Duration::from_mins(1),
                "{name} is {seen:?}, not {value}"
            );
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Asks it to end.
    pub(crate) async fn drain(self) {
        self.shutdown.cancel();
        let ended = tokio::time::timeout(Duration::from_mins(1), self.running);
        ended.await.expect("it ends").unwrap();
    }

    /// Ends it where it is.
    pub(crate) async fn kill(self) {
        self.running.abort();
        assert!(self.running.await.unwrap_err().is_cancelled());
    }
}

/// Where chunks stop until it is opened.
pub(crate) struct Gate {
    is_open: watch::Sender<bool>,
    waiting: watch::Sender<usize>,
    passed: watch::Sender<usize>,
    /// How many pages of plans are left until planning fails.
    pages_left: AtomicUsize,
    /// Whose followers are unreadable.
    broken: Mutex<Option<UserId>>,
    /// Whoever follows no longer.
    left: Mutex<BTreeSet<u64>>,
    /// Whether the first follower of each chunk is lost on the way from follow-graph.
    loses: AtomicBool,
    /// The next answers about how tweets travel, where they are not pushed: `None` is a failure.
    rules: Mutex<VecDeque<Option<DeliveryState>>>,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            is_open: watch::Sender::new(false),
            waiting: watch::Sender::new(0),
            passed: watch::Sender::new(0),
            pages_left: AtomicUsize::new(usize::MAX),
            broken: Mutex::default(),
            left: Mutex::default(),
            loses: AtomicBool::new(false),
            rules: Mutex::default(),
        }
    }
}

impl Gate {
    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// Waits until so many wait.
    pub(crate) async fn wait_for(&self, many: usize) {
        let mut waiting = self.waiting.subscribe();
        let come = tokio::time::timeout(Duration::from_mins(1), waiting.wait_for(|waiting| *waiting == many));
        come.await.expect("they come to the gate").unwrap();
    }

    pub(crate) fn passed(&self) -> usize {
        *self.passed.borrow()
    }

    /// Fails to plan after so many pages.
    pub(crate) fn plan_pages(&self, pages: usize) {
        self.pages_left.store(pages, Ordering::Relaxed);
    }

    /// Fails, whenever it is asked, with followers above the one right below this one.
    pub(crate) fn break_at(&self, follower: Option<UserId>) {
        *self.broken.lock() = follower;
    }

    /// This account unfollows all.
    pub(crate) fn leave(&self, follower: u64) {
        self.left.lock().insert(follower);
    }

    /// From now on this process does not see the first follower of each chunk.
    pub(crate) fn lose_followers(&self) {
        self.loses.store(true, Ordering::Relaxed);
    }

    /// Who follows an author above this account.
    fn followers(&self, author: UserId, after: Option<UserId>) -> Vec<UserId> {
        let left = self.left.lock();
        let above = after.map_or(0, UserId::get);
        let follows = |follower: &u64| *follower > above && !left.contains(follower);
        audience(author).filter(follows).map(UserId::new).collect()
    }

    /// The next question about the rules is answered as if all were pulled.
    pub(crate) fn pull_once(&self) {
        let mut pulled = DeliveryState::pushed();
        pulled.open(TweetId::MIN, 0);
        pulled.stop_pushing(0);
        self.rules.lock().push_back(Some(pulled));
    }

    /// As [`Gate::pull_once`], and the question after that fails.
    pub(crate) fn pull_and_fail(&self) {
        self.pull_once();
        self.rules.lock().push_back(None);
    }

    fn look(&self, request: &FollowerPageRequest) -> Result<(), StoreError> {
        let above = request.after.unwrap_or(request.author).get() + 1;
        if *self.broken.lock() == Some(UserId::new(above)) {
            return Err(StoreError::Corrupt {
                store: "follow-graph",
                what: "on purpose".into(),
            });
        }
        Ok(())
    }

    fn take_page(&self) -> Result<(), StoreError> {
        let take = |left: usize| left.checked_sub(1);
        let taken = self.pages_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map_or(not_asked(), |_| Ok(()))
    }

    async fn pass(&self) {
        self.waiting.send_modify(|waiting| *waiting += 1);
        self.is_open.subscribe().wait_for(|is_open| *is_open).await.unwrap();
        self.passed.send_modify(|passed| *passed += 1);
    }
}

struct Graph(Arc<Gate>);

fn not_asked<T>() -> Result<T, StoreError> {
    Err(StoreError::unavailable("follow-graph", "fan-out does not ask this"))
}

#[async_trait]
impl FollowGraph for Graph {
    async fn delivery_rules(&self, _: Deadline) -> Result<Arc<DeliveryRules>, StoreError> {
        let next = self.0.rules.lock().pop_front().unwrap_or(Some(DeliveryState::pushed()));
        let Some(everyone) = next else { return not_asked() };
        Ok(Arc::new(DeliveryRules {
            version: 1,
            in_force: RulesInForce {
                strategy: Strategy::Push,
                thresholds: Thresholds::new(100, 80).unwrap(),
            },
            everyone,
            authors: std::collections::HashMap::default(),
        }))
    }

    /// Chunks come here with the follower that they begin after, and stop at the gate.
    async fn followers(&self, requests: &[FollowerPageRequest], _: Deadline) -> Result<Vec<FollowerPage>, StoreError> {
        let mut pages = Vec::new();
        for request in requests {
            if request.after.is_some() {
                self.0.pass().await;
            }
            self.0.look(request)?;
            let mut followers = self.0.followers(request.author, request.after);
            let more = followers.len() > request.limit;
            followers.truncate(request.limit);
            if request.after.is_some() && self.0.loses.load(Ordering::Relaxed) {
                followers.retain(|follower| !(follower.get() - FOLLOWERS.start).is_multiple_of(CHUNK));
            }
            pages.push(FollowerPage { followers, more });
        }
        Ok(pages)
    }

    async fn chunks(&self, request: ChunksRequest, _: Deadline) -> Result<Vec<ChunkPlan>, StoreError> {
        assert_eq!(request.author, HUGE);
        self.0.take_page()?;
        let followers = self.0.followers(HUGE, request.after);
        let chunk = |(number, some): (u32, &[UserId])| ChunkPlan {
            number,
            after: Some(UserId::new(some[0].get() - 1)),
            last: some[some.len() - 1],
            expected: some.len() as u64,
        };
        let chunks = (0..).zip(followers.chunks(request.size)).map(chunk);
        Ok(chunks.take(request.limit).collect())
    }

    async fn reader(
        &self,
        _: UserId,
        _: Option<ActorVersion>,
        _: Deadline,
    ) -> Result<Option<Arc<ReaderView>>, StoreError> {
        not_asked()
    }

    async fn users(&self, _: &[UserId], _: Deadline) -> Result<Vec<Option<User>>, StoreError> {
        not_asked()
    }

    async fn deleted_among(&self, _: &[UserId], _: Deadline) -> Result<Vec<UserId>, StoreError> {
        not_asked()
    }

    async fn is_revoked(&self, _: &Session, _: Deadline) -> Result<bool, StoreError> {
        not_asked()
    }

    fn max_staleness(&self) -> Duration {
        Duration::ZERO
    }

    fn believable_until(&self) -> Option<Instant> {
        None
    }
}

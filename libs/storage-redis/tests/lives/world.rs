//! What a test works with: the adapters over a server, and a store that counts the server's lives.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use model::{ActorVersion, Coverage, Generation, TweetId, UserId};
use parking_lot::Mutex;
use storage::{
    ActorVersions, Built, CacheEpoch, Deadline, Generations, PushBatch, RenderedTweet, StoreError, StoredTimeline,
    TimelineStore, TweetCache,
};
use storage_redis::{RedisClient, RedisNode, RedisOptions, RedisTimelineOptions, RedisTimelines, RedisTweets};
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const READER: UserId = UserId::new(5);

const CONNECTIONS: usize = 3;

pub(crate) fn deadline() -> Deadline {
    Deadline::after(Duration::from_secs(10))
}

/// The durable store's part: no number is given twice.
#[derive(Default)]
pub(crate) struct Lives {
    present: Mutex<BTreeMap<String, (String, Generation)>>,
    last: Mutex<u64>,
    highest: Mutex<BTreeMap<String, u64>>,
    is_away: AtomicBool,
}

impl Lives {
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// As another process does that has seen another life.
    pub(crate) fn raise_all(&self) {
        for (_, generation) in self.present.lock().values_mut() {
            *self.last.lock() += 1;
            *generation = Generation(*self.last.lock());
        }
    }

    /// How many lives there have been.
    pub(crate) fn count(&self) -> u64 {
        *self.last.lock()
    }
}

#[async_trait]
impl Generations for Lives {
    async fn current(&self, node: &str, incarnation: &str, _: Deadline) -> Result<Generation, StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("lives", "away"));
        }
        let mut present = self.present.lock();
        if let Some((known, generation)) = present.get(node)
            && known == incarnation
        {
            return Ok(*generation);
        }
        *self.last.lock() += 1;
        let generation = Generation(*self.last.lock());
        present.insert(node.to_owned(), (incarnation.to_owned(), generation));
        Ok(generation)
    }

    async fn highest(&self, name: &str, number: u64, _: Deadline) -> Result<u64, StoreError> {
        if self.is_away.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("lives", "away"));
        }
        let mut highest = self.highest.lock();
        let known = highest.get(name).copied().unwrap_or_default().max(number);
        if number > 0 {
            highest.insert(name.to_owned(), known);
        }
        Ok(known)
    }
}

/// One process.
pub(crate) struct World {
    pub(crate) lives: Arc<Lives>,
    pub(crate) timelines: Arc<RedisTimelines>,
    pub(crate) tweets: Arc<RedisTweets>,
    node: Arc<RedisNode>,
    /// Ends what runs in the background.
    _shutdown: DropGuard,
}

impl World {
    pub(crate) async fn new(url: &str) -> Self {
        Self::sharing(url, Arc::default()).await
    }

    /// Another process of the same deployment.
    pub(crate) async fn sharing(url: &str, lives: Arc<Lives>) -> Self {
        let redis = RedisClient::connect(&RedisOptions::new(url)).await.unwrap();
        let generations: Arc<dyn Generations> = Arc::clone(&lives) as Arc<dyn Generations>;
        let node = RedisNode::connect(&redis, CONNECTIONS, generations).await.unwrap();
        let options = RedisTimelineOptions {
            window: 800,
            idle: Duration::from_hours(720),
        };
        Self {
            lives,
            timelines: RedisTimelines::new(Arc::clone(&node), options),
            tweets: RedisTweets::new(Arc::clone(&node)),
            node,
            _shutdown: CancellationToken::new().drop_guard(),
        }
    }

    /// The same, that confirms again and again, and looks who has which slots, as processes do.
    pub(crate) fn running(self) -> Self {
        let (node, shutdown) = (Arc::clone(&self.node), CancellationToken::new());
        let guard = shutdown.clone().drop_guard();
        tokio::spawn(async move { node.run(shutdown).await });
        Self {
            _shutdown: guard,
            ..self
        }
    }

    pub(crate) async fn build(&self, user: UserId, ids: impl IntoIterator<Item = u64>) {
        let ticket = self.timelines.begin_build(user, deadline()).await.unwrap();
        assert!(self.timelines.install(ticket, built(ids), deadline()).await.unwrap());
    }

    /// As [`World::build`], where some connections may still be coming back.
    pub(crate) async fn build_when_back(&self, user: UserId, ids: impl IntoIterator<Item = u64>) {
        let ids: Vec<u64> = ids.into_iter().collect();
        loop {
            if let Ok(ticket) = self.timelines.begin_build(user, deadline()).await
                && let Ok(true) = self.timelines.install(ticket, built(ids.clone()), deadline()).await
            {
                return;
            }
        }
    }

    pub(crate) async fn push(&self, user: UserId, ids: &[u64]) -> Result<bool, StoreError> {
        let batch = PushBatch::group(&mut ids.iter().map(|id| (user, TweetId::new(*id))).collect());
        self.timelines.push(&batch, deadline()).await.map(|exist| exist[0])
    }

    pub(crate) async fn read(&self, user: UserId) -> Result<StoredTimeline, StoreError> {
        self.timelines.read(user, TweetId::MAX, 20, deadline()).await
    }

    /// Whether there is an answer over any of the connections.
    pub(crate) async fn any_read_is_ok(&self) -> bool {
        tokio::time::sleep(Duration::from_millis(20)).await;
        let mut is_ok = false;
        for _ in 0..CONNECTIONS {
            is_ok |= self.read(READER).await.is_ok();
        }
        is_ok
    }

    /// All stored ids, oldest first, and where they begin to be complete.
    pub(crate) async fn all(&self, user: UserId) -> (Vec<u64>, u64) {
        let stored = self
            .timelines
            .read(user, TweetId::MAX, 10_000, deadline())
            .await
            .unwrap();
        let slice = stored.slice.expect("a timeline");
        let ids = slice.ids.iter().rev().map(|id| id.get()).collect();
        (ids, slice.coverage.complete_from.get())
    }

    pub(crate) async fn announce(&self, version: u64) {
        let version = ActorVersion(version);
        self.timelines.announce(READER, version, deadline()).await.unwrap();
    }

    /// The first answers after the server has come back; until then it is not there.
    pub(crate) async fn read_when_back(&self, user: UserId) -> StoredTimeline {
        loop {
            match self.read(user).await {
                Ok(stored) => return stored,
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) async fn cached(&self, id: u64) -> (bool, CacheEpoch) {
        let cached = self.tweets.get(&[TweetId::new(id)], deadline()).await.unwrap();
        (cached.tweets[0].is_some(), cached.epoch)
    }

    pub(crate) async fn put(&self, id: u64, epoch: CacheEpoch) {
        self.put_tweet(TweetId::new(id), epoch).await.unwrap();
    }

    pub(crate) async fn put_tweet(&self, id: TweetId, epoch: CacheEpoch) -> Result<(), StoreError> {
        let tweet = Arc::new(RenderedTweet {
            id,
            author: READER,
            in_reply_to: None,
            json: Bytes::from_static(b"{}"),
        });
        self.tweets.put(vec![tweet], epoch, deadline()).await
    }
}

pub(crate) fn built(ids: impl IntoIterator<Item = u64>) -> Built {
    Built {
        ids: ids.into_iter().map(TweetId::new).collect(),
        coverage: Coverage {
            complete_from: TweetId::MIN,
            holds: ActorVersion(1),
        },
    }
}

//! Huge authors: their followers in chunks, each a job of its own.
//!
//! A plan is fixed and durable before its first chunk is written. The tweet's event is acknowledged when its last chunk is
//! finished; until then a redelivery finds the plan and goes on at the chunks that are not.

use std::sync::Arc;

use ahash::AHashMap;
use model::{DeliveryPlan, TweetId, UserId};
use parking_lot::Mutex;
use storage::{ChunkResult, ChunksRequest, FollowerPageRequest, PendingChunk, PushBatch, Receipt, StoreError};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::batch::{Pending, record};
use crate::service::FanOut;
use crate::worker::Pause;

/// Tweets whose chunks wait to be worked on; whoever hands in more waits, so that memory is bounded.
const QUEUED_TWEETS: usize = 1_024;

/// Tweets that are worked on at once; each has the list of its chunks in memory.
const OPEN_TWEETS: usize = 64;

/// Tweets that are delivered in chunks.
pub(crate) struct ChunkQueue {
    queue: mpsc::Sender<(TweetId, Receipt)>,
    jobs: Mutex<Option<mpsc::Receiver<(TweetId, Receipt)>>>,
    workers: usize,
    /// Tweets that are queued or being worked on, so that a batch that is tried again hands them in once.
    claimed: Mutex<AHashMap<TweetId, Receipt>>,
}

impl ChunkQueue {
    pub(crate) fn new(workers: usize) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUED_TWEETS);
        Self {
            queue,
            jobs: Mutex::new(Some(jobs)),
            workers,
            claimed: Mutex::default(),
        }
    }
}

/// Works on chunks until `shutdown`; a chunk that has begun is finished.
pub(crate) async fn run(fan_out: &Arc<FanOut>, shutdown: &CancellationToken) {
    let Some(mut jobs) = fan_out.chunks.jobs.lock().take() else {
        return;
    };
    let permits = Arc::new(Semaphore::new(fan_out.chunks.workers));
    let mut tweets = JoinSet::new();
    loop {
        while tweets.try_join_next().is_some() {}
        if tweets.len() >= OPEN_TWEETS {
            tweets.join_next().await;
        }
        let next = tokio::select! {
            () = shutdown.cancelled() => break,
            next = jobs.recv() => next,
        };
        let Some((tweet, receipt)) = next else { break };
        let worker = Tweet {
            fan_out: Arc::clone(fan_out),
            permits: Arc::clone(&permits),
            shutdown: shutdown.clone(),
        };
        tweets.spawn(async move { worker.deliver(tweet, receipt).await });
    }
    while tweets.join_next().await.is_some() {}
}

impl FanOut {
    /// Fixes how huge authors' tweets are delivered, in one commit.
    pub(crate) async fn plan(&self, tweets: impl Iterator<Item = Pending>) -> Result<(), StoreError> {
        let mut plans = Vec::new();
        let mut deserted = Vec::new();
        for pending in tweets {
            let request = ChunksRequest {
                author: pending.author,
                size: self.settings.chunk,
            };
            let chunks = self.ports.graph.chunks(request, self.deadline()).await?;
            if chunks.is_empty() {
                // All followers have gone since the author was found to have many.
                deserted.push(record(pending, 0, 0, self.clock.unix_ms()));
                continue;
            }
            plans.push(DeliveryPlan {
                tweet: pending.tweet,
                author: pending.author,
                mode: pending.mode,
                accepted_at_ms: pending.tweet.unix_ms(),
                chunks,
            });
        }
        if !deserted.is_empty() {
            self.ports.deliveries.record(deserted, self.deadline()).await?;
        }
        if plans.is_empty() {
            Ok(())
        } else {
            self.ports.deliveries.open(plans, self.deadline()).await
        }
    }

    /// Hands tweets with a plan to the chunk workers, which acknowledge them.
    pub(crate) async fn resume_chunks(&self, tweets: &[(TweetId, Receipt)]) -> Result<(), StoreError> {
        for (tweet, receipt) in tweets {
            if self.chunks.claimed.lock().insert(*tweet, *receipt).is_none()
                && self.chunks.queue.send((*tweet, *receipt)).await.is_err()
            {
                return Err(StoreError::unavailable("fan-out", "its chunk workers have ended"));
            }
        }
        Ok(())
    }
}

/// Delivers one tweet at a time, chunk by chunk.
struct Tweet {
    fan_out: Arc<FanOut>,
    permits: Arc<Semaphore>,
    shutdown: CancellationToken,
}

impl Tweet {
    async fn deliver(&self, tweet: TweetId, receipt: Receipt) {
        let mut pause = Pause::new(self.fan_out.settings.longest_pause);
        while !self.shutdown.is_cancelled() {
            match self.attempt(tweet, receipt).await {
                Ok(()) => break,
                Err(error) => pause.after(&error, &self.shutdown).await,
            }
        }
        self.fan_out.chunks.claimed.lock().remove(&tweet);
    }

    async fn attempt(&self, tweet: TweetId, receipt: Receipt) -> Result<(), StoreError> {
        let fan_out = &self.fan_out;
        let pending = fan_out
            .ports
            .deliveries
            .pending_chunks(&[tweet], fan_out.deadline())
            .await?;
        let mut chunks = JoinSet::new();
        for chunk in pending {
            let Ok(permit) = Arc::clone(&self.permits).acquire_owned().await else {
                break;
            };
            if self.shutdown.is_cancelled() {
                break;
            }
            let fan_out = Arc::clone(fan_out);
            chunks.spawn(async move {
                let outcome = deliver_chunk(&fan_out, chunk).await;
                drop(permit);
                outcome
            });
        }
        let mut outcome = Ok(());
        while let Some(chunk) = chunks.join_next().await {
            let chunk = chunk.unwrap_or_else(|error| Err(StoreError::unavailable("fan-out", error)));
            outcome = outcome.and(chunk);
        }
        outcome?;
        let left = fan_out
            .ports
            .deliveries
            .pending_chunks(&[tweet], fan_out.deadline())
            .await?;
        if left.is_empty() {
            fan_out.ports.log.acknowledge(&[receipt]).await?;
        }
        Ok(())
    }
}

/// Writes one chunk and records it as finished. Followers who joined since the plan was made get the tweet and don't
/// count; those who left are skipped.
async fn deliver_chunk(fan_out: &FanOut, chunk: PendingChunk) -> Result<(), StoreError> {
    let mut written = 0;
    let mut after = chunk.plan.after;
    while after.is_none_or(|after| after < chunk.plan.last) {
        let followers = followers_of(fan_out, &chunk, after).await?;
        let Some(last) = followers.last().copied() else { break };
        after = Some(last);
        let mut pairs = followers.into_iter().map(|follower| (follower, chunk.tweet)).collect();
        let exists = fan_out
            .ports
            .timelines
            .push(&PushBatch::group(&mut pairs), fan_out.deadline())
            .await?;
        written += exists.iter().filter(|exists| **exists).count() as u64;
    }
    let written = written.min(chunk.plan.expected);
    let result = ChunkResult {
        tweet: chunk.tweet,
        number: chunk.plan.number,
        written,
        skipped: chunk.plan.expected - written,
        finished_at_ms: fan_out.clock.unix_ms(),
    };
    fan_out
        .ports
        .deliveries
        .finish(vec![result], fan_out.deadline())
        .await
        .map(|_| ())
}

/// The followers of the chunk above `after`.
async fn followers_of(
    fan_out: &FanOut,
    chunk: &PendingChunk,
    after: Option<UserId>,
) -> Result<Vec<UserId>, StoreError> {
    let request = FollowerPageRequest {
        author: chunk.author,
        after,
        limit: fan_out.settings.chunk,
    };
    let page = fan_out
        .ports
        .graph
        .followers(&[request], fan_out.deadline())
        .await?
        .pop()
        .unwrap_or_default();
    let mut followers = page.followers;
    followers.retain(|follower| *follower <= chunk.plan.last);
    Ok(followers)
}

//! Huge authors: their followers in chunks, each a job of its own.
//!
//! A plan begins with one chunk, all followers, as a rest that is still to be cut. Chunks are anybody's: each worker of
//! each process leases one after the other from the books, and one that a dead worker held is leased anew. Whoever leases
//! a rest asks for the next chunks and puts them, and what is left, into its place: so the consumer never waits for a plan,
//! delivery begins with the first page of it, and a plan that fails goes on where it was. A chunk carries what the plan says
//! of it, so it is done the same way whoever does it, however late. The tweet's event is acknowledged by the process that
//! received it, once all chunks are recorded. A chunk that fails for reasons of its own, or that processes die of, is set
//! aside after some tries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use model::{ChunkPlan, DeliveryPlan, DeliveryRecord, TweetId, UserId};
use parking_lot::Mutex;
use storage::{ChunkResult, ChunksRequest, FollowerPageRequest, PendingChunk, PushBatch, Receipt, StoreError};
use telemetry::trace::{Span, names};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::batch::Pending;
use crate::service::FanOut;
use crate::worker::Pause;

/// Whoever works on a chunk holds it for so long, and renews that as long as it works.
const LEASE: Duration = Duration::from_secs(3);
const RENEW_EVERY: Duration = Duration::from_secs(1);

/// How often the books are asked for what other processes have planned, left behind or finished; for chunks ever more rarely
/// while there are none.
const LOOK_EVERY: Duration = Duration::from_millis(250);
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// Tweets whose records are looked at in one go: the oldest, whose chunks are done first.
const LOOKED_AT: usize = 1_024;

/// What this process has to do with chunks.
#[derive(Default)]
pub(crate) struct Chunks {
    planned: Notify,
    finished: Notify,
    /// Events whose tweets are not finished. No more than the log admits.
    waiting: Mutex<BTreeSet<(TweetId, Receipt)>>,
}

/// Works on one chunk after the other until `shutdown`; a chunk that has begun is finished.
pub(crate) async fn work(fan_out: Arc<FanOut>, shutdown: CancellationToken) {
    let mut pause = Pause::new(fan_out.settings.longest_pause);
    let mut idle = LOOK_EVERY;
    while !shutdown.is_cancelled() {
        match fan_out.next_chunk().await {
            Ok(true) => {
                pause.reset();
                idle = LOOK_EVERY;
            }
            Ok(false) => {
                wait(&fan_out.chunks.planned, idle, &shutdown).await;
                idle = (idle * 2).min(LOOK_AT_LEAST_EVERY);
            }
            Err(error) => pause.after(&error, &shutdown).await,
        }
    }
}

/// Acknowledges tweets that are finished, whoever has finished them, until `shutdown`.
pub(crate) async fn acknowledge(fan_out: &FanOut, shutdown: &CancellationToken) {
    let mut pause = Pause::new(fan_out.settings.longest_pause);
    while !shutdown.is_cancelled() {
        match fan_out.acknowledge_finished().await {
            Ok(()) => {
                pause.reset();
                wait(&fan_out.chunks.finished, LOOK_EVERY, shutdown).await;
            }
            Err(error) => pause.after(&error, shutdown).await,
        }
    }
}

/// Waits until it is time to look at the books again.
async fn wait(news: &Notify, at_most: Duration, shutdown: &CancellationToken) {
    tokio::select! {
        () = shutdown.cancelled() => {}
        () = news.notified() => {}
        () = tokio::time::sleep(at_most) => {}
    }
}

impl FanOut {
    /// Leaves tweets of huge authors to the workers of chunks, in one commit.
    pub(crate) async fn plan(&self, tweets: impl Iterator<Item = Pending>) -> Result<(), StoreError> {
        let plan = |pending: Pending| DeliveryPlan {
            tweet: pending.tweet,
            author: pending.author,
            mode: pending.mode,
            accepted_at_ms: pending.tweet.unix_ms(),
        };
        let plans: Vec<DeliveryPlan> = tweets.map(plan).collect();
        if !plans.is_empty() {
            self.ports.deliveries.open(plans, self.deadline()).await?;
            self.chunks.planned.notify_waiters();
        }
        Ok(())
    }

    /// Acknowledges these once their chunks are finished.
    pub(crate) async fn acknowledge_later(&self, tweets: Vec<(TweetId, Receipt)>) {
        if !tweets.is_empty() {
            let receipts: Vec<Receipt> = tweets.iter().map(|(_, receipt)| *receipt).collect();
            self.chunks.waiting.lock().extend(tweets);
            self.ports.log.park(&receipts).await;
        }
    }

    pub(crate) async fn acknowledge_finished(&self) -> Result<(), StoreError> {
        let oldest: Vec<(TweetId, Receipt)> = self.chunks.waiting.lock().iter().take(LOOKED_AT).copied().collect();
        if oldest.is_empty() {
            return Ok(());
        }
        let tweets: Vec<TweetId> = oldest.iter().map(|(tweet, _)| *tweet).collect();
        let records = self.ports.deliveries.get(&tweets, self.deadline()).await?;
        let finished = oldest.into_iter().zip(records).filter_map(|(waiting, record)| {
            let record = record.filter(|record| record.finished_at_ms.is_some())?;
            Some((waiting, record))
        });
        let finished: BTreeMap<(TweetId, Receipt), DeliveryRecord> = finished.collect();
        let receipts: Vec<Receipt> = finished.keys().map(|(_, receipt)| *receipt).collect();
        self.ports.log.acknowledge(&receipts).await?;
        for record in finished.values() {
            self.metrics.finished(record);
        }
        self.chunks
            .waiting
            .lock()
            .retain(|waiting| !finished.contains_key(waiting));
        Ok(())
    }

    /// Does the chunk that has waited longest; `false` if there is none.
    async fn next_chunk(&self) -> Result<bool, StoreError> {
        let max_tries = self.settings.chunk_tries;
        let leased = self.ports.deliveries.lease(LEASE, max_tries, self.deadline());
        let Some(chunk) = leased.await? else {
            return Ok(false);
        };
        // Where there is one, there may be more.
        self.chunks.planned.notify_waiters();
        if chunk.tries >= max_tries {
            tracing::error!(
                ?chunk,
                "a chunk was set aside; readers look its tweet up until it is replayed"
            );
            let told = self.ports.log.set_aside(&[chunk.tweet]).await;
            if told.is_err() {
                // Somebody tells it later.
                let PendingChunk { tweet, plan, .. } = chunk;
                let deliveries = &self.ports.deliveries;
                deliveries.renew(tweet, plan.number, LEASE, self.deadline()).await?;
            }
            return told.map(|()| true);
        }
        let done = tokio::select! {
            done = do_chunk(self, chunk) => done,
            never = self.hold(chunk) => never,
        };
        self.metrics.chunk(done.is_ok());
        if let Err(error) = &done {
            let (number, counts) = (chunk.plan.number, !error.is_transient());
            let deliveries = &self.ports.deliveries;
            // Where this fails too, the lease ends by itself.
            let _ = deliveries.give_back(chunk.tweet, number, counts, self.deadline()).await;
        }
        done.map(|()| true)
    }

    /// Shows that a chunk is being worked on, for as long as it is.
    async fn hold(&self, chunk: PendingChunk) -> ! {
        loop {
            tokio::time::sleep(RENEW_EVERY).await;
            let PendingChunk { tweet, plan, .. } = chunk;
            let renewed = self.ports.deliveries.renew(tweet, plan.number, LEASE, self.deadline());
            if let Err(error) = renewed.await {
                tracing::debug!(%error, tweet = %chunk.tweet, "a chunk may be done by others too, which does no harm");
            }
        }
    }
}

/// In the trace of its tweet.
async fn do_chunk(fan_out: &FanOut, chunk: PendingChunk) -> Result<(), StoreError> {
    let span = fan_out.traces.begin(&*fan_out.ports.log, &chunk).await;
    let done = if chunk.plan.is_rest() {
        span.cover(cut(fan_out, chunk, &span)).await
    } else {
        span.cover(deliver_chunk(fan_out, chunk, &span)).await
    };
    if done.is_err() {
        span.fail("store");
    }
    done
}

/// Plans the next chunks.
async fn cut(fan_out: &FanOut, rest: PendingChunk, span: &Span) -> Result<(), StoreError> {
    let PendingChunk {
        tweet, author, plan, ..
    } = rest;
    let limit = fan_out.settings.planned_at_once;
    let request = ChunksRequest {
        author,
        after: plan.after,
        limit,
        size: fan_out.settings.chunk,
    };
    let mut chunks = fan_out.ports.graph.chunks(request, fan_out.deadline()).await?;
    span.count(names::CHUNKS, chunks.len() as u64);
    for chunk in &mut chunks {
        chunk.number += plan.number;
    }
    if let Some(last) = chunks.last().filter(|_| chunks.len() == limit) {
        chunks.push(ChunkPlan::rest(last.number + 1, Some(last.last)));
    }
    if chunks.is_empty() {
        // A chunk of nobody ends the plan.
        let last = plan.after.unwrap_or(UserId::new(0));
        chunks.push(ChunkPlan { last, ..plan });
    }
    fan_out.ports.deliveries.cut(tweet, chunks, fan_out.deadline()).await?;
    fan_out.chunks.planned.notify_waiters();
    Ok(())
}

/// Writes one chunk and records it as finished. Followers who joined since the plan was made get the tweet and don't
/// count; those who left are skipped.
async fn deliver_chunk(fan_out: &FanOut, chunk: PendingChunk, span: &Span) -> Result<(), StoreError> {
    let mut dealt = write_chunk(fan_out, &chunk).await?;
    let mut unfollowed = unfollowed(fan_out, &chunk, &dealt).await?;
    if unfollowed.is_none() {
        // Somebody may have begun to follow meanwhile. Writing again changes nothing for the others.
        tokio::time::sleep(fan_out.ports.graph.max_staleness()).await;
        dealt = write_chunk(fan_out, &chunk).await?;
        unfollowed = self::unfollowed(fan_out, &chunk, &dealt).await?;
    }
    let result = dealt.result(&chunk, unfollowed.unwrap_or(0), fan_out.clock.unix_ms());
    span.count(names::DELIVERY_EXPECTED, chunk.plan.expected);
    span.count(names::DELIVERY_WRITTEN, result.written);
    span.count(names::DELIVERY_SKIPPED, result.skipped);
    let finished = fan_out
        .ports
        .deliveries
        .finish(vec![result], fan_out.deadline())
        .await?;
    if result.written + result.skipped != chunk.plan.expected {
        tracing::error!(?chunk, ?result, "some followers of a chunk are not accounted for");
    }
    fan_out.metrics.deliveries(chunk.plan.expected, result.into());
    if !finished.is_empty() {
        fan_out.chunks.finished.notify_one();
    }
    Ok(())
}

/// What became of those who follow now.
#[derive(Default)]
struct Dealt {
    /// How many there were.
    found: u64,
    /// Those whose timelines were written.
    written: u64,
    /// Those without a timeline.
    without: u64,
}

impl Dealt {
    /// What the books say. Whoever was found and is neither written nor without a timeline is missing in it, also where
    /// others have joined.
    fn result(&self, chunk: &PendingChunk, unfollowed: u64, now_ms: u64) -> ChunkResult {
        let lost = self.found - (self.written + self.without);
        let of_plan = chunk.plan.expected.saturating_sub(lost);
        let written = self.written.min(of_plan);
        ChunkResult {
            tweet: chunk.tweet,
            number: chunk.plan.number,
            written,
            skipped: self.without.min(of_plan - written) + unfollowed,
            unfollowed,
            finished_at_ms: now_ms,
        }
    }
}

/// Writes all of the chunk who follow now.
async fn write_chunk(fan_out: &FanOut, chunk: &PendingChunk) -> Result<Dealt, StoreError> {
    let mut dealt = Dealt::default();
    let mut after = chunk.plan.after;
    while after.is_none_or(|after| after < chunk.plan.last) {
        let followers = followers_of(fan_out, chunk, after).await?;
        let Some(last) = followers.last().copied() else { break };
        after = Some(last);
        dealt.found += followers.len() as u64;
        let mut pairs: Vec<_> = followers.into_iter().map(|follower| (follower, chunk.tweet)).collect();
        let exists = fan_out.push(&PushBatch::group(&mut pairs), pairs.len()).await?;
        let written = exists.iter().filter(|exists| **exists).count() as u64;
        dealt.written += written;
        dealt.without += exists.len() as u64 - written;
    }
    Ok(dealt)
}

/// How many of the plan follow no longer. Where fewer were found than were planned, follow-graph is asked whether it has
/// one more: `None` if it does, and those who are missing have not left.
async fn unfollowed(fan_out: &FanOut, chunk: &PendingChunk, dealt: &Dealt) -> Result<Option<u64>, StoreError> {
    let missing = chunk.plan.expected.saturating_sub(dealt.found);
    if missing == 0 {
        return Ok(Some(0));
    }
    let request = ChunksRequest {
        author: chunk.author,
        after: chunk.plan.after,
        limit: 1,
        size: usize::try_from(dealt.found + 1).unwrap_or(usize::MAX),
    };
    let one_more = fan_out.ports.graph.chunks(request, fan_out.deadline()).await?;
    let is_there = |more: &ChunkPlan| more.expected > dealt.found && more.last <= chunk.plan.last;
    Ok((!one_more.first().is_some_and(is_there)).then_some(missing))
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

//! The traces of tweets, from their posts on: a span for each tweet and each chunk, with counts, and none for a follower.
//!
//! An event carries the trace of the request that it came of, and so goes on in it however often it is received. What is
//! done for a whole batch is done in a span of the batch, which is a trace of its own, linked to those of its tweets; a
//! tweet that comes alone needs none.

use ahash::AHashMap;
use model::{DeliveryRecord, Event, EventBody, TraceContext, TweetId};
use quick_cache::sync::Cache;
use storage::{EventLog, PendingChunk, Received};
use telemetry::trace::{Kind, Parent, Span, is_on, names};

/// The spans of a batch, as far as its tweets are traced.
#[derive(Default)]
pub(crate) struct BatchSpans {
    batch: Span,
    tweets: AHashMap<TweetId, TweetSpan>,
}

struct TweetSpan {
    span: Span,
    trace: TraceContext,
}

impl BatchSpans {
    pub(crate) fn begin(received: &[Received]) -> Self {
        if !is_on() {
            return Self::default();
        }
        let tweet = |one: &Received| Some((one.event.body.tweet(), deliver(&one.event)?));
        let tweets: AHashMap<TweetId, TweetSpan> = received.iter().filter_map(tweet).collect();
        let mut spans = Self {
            batch: Span::none(),
            tweets,
        };
        if received.len() > 1 && !spans.tweets.is_empty() {
            spans.link(received.len());
        }
        spans
    }

    fn link(&mut self, messages: usize) {
        self.batch = Span::root_of_recorded(Kind::Consumer, "deliver batch");
        messaging(&self.batch);
        self.batch.count(names::MESSAGING_BATCH_MESSAGE_COUNT, messages as u64);
        for TweetSpan { span, .. } in self.tweets.values() {
            self.batch.link(span);
            span.link(&self.batch);
        }
    }

    /// Does what is to be done for all of them.
    pub(crate) fn cover<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        let alone = self.tweets.values().next().filter(|_| !self.batch.is_recorded());
        alone.map_or(&self.batch, |tweet| &tweet.span).cover(work)
    }

    /// These are recorded as done.
    pub(crate) fn recorded(&self, records: &[DeliveryRecord]) {
        if self.tweets.is_empty() {
            return;
        }
        for record in records {
            if let Some(TweetSpan { span, .. }) = self.tweets.get(&record.tweet) {
                span.set(names::DELIVERY_MODE, record.mode.as_str());
                span.count(names::DELIVERY_EXPECTED, record.expected);
                span.count(names::DELIVERY_WRITTEN, record.written);
                span.count(names::DELIVERY_SKIPPED, record.skipped);
                let outcome = if record.mode.is_pushed() {
                    "delivered"
                } else {
                    "left_to_readers"
                };
                span.set(names::DELIVERY_OUTCOME, outcome);
            }
        }
    }

    /// Something else came of a tweet.
    pub(crate) fn outcome(&self, tweet: TweetId, outcome: &'static str) {
        if let Some(TweetSpan { span, .. }) = self.tweets.get(&tweet) {
            span.set(names::DELIVERY_OUTCOME, outcome);
        }
    }

    /// A tweet is left to the workers of chunks, who go on in its trace.
    pub(crate) fn planned(&self, tweet: TweetId, traces: &ChunkTraces) {
        if is_on() {
            self.outcome(tweet, "planned");
            let trace = self.tweets.get(&tweet).map(|tweet| tweet.trace.clone());
            traces.0.insert(tweet, trace);
        }
    }

    /// The attempt failed.
    pub(crate) fn failed(&self) {
        let tweets = self.tweets.values().map(|tweet| &tweet.span);
        for span in tweets.chain([&self.batch]) {
            span.fail("store");
        }
    }
}

/// What becomes of an event, in the trace that it came of. Of a deleted tweet nothing is to be delivered.
fn deliver(event: &Event) -> Option<TweetSpan> {
    let EventBody::TweetAccepted { tweet, .. } = event.body else {
        return None;
    };
    let trace = event.trace.clone()?;
    let parent = Parent::read(&trace.0, None)?;
    let span = Span::within(&parent, Kind::Consumer, "deliver tweet");
    if !span.is_recorded() {
        return None;
    }
    messaging(&span);
    span.set(names::TWEET_ID, tweet.to_string());
    Some(TweetSpan { span, trace })
}

fn messaging(span: &Span) {
    span.set(names::MESSAGING_SYSTEM, names::EVENT_LOG);
    span.set(names::MESSAGING_DESTINATION_NAME, names::EVENTS);
    span.set(names::MESSAGING_OPERATION_TYPE, "process");
}

/// Tweets whose traces are remembered.
const REMEMBERED: usize = 4_096;

/// The traces of tweets that are delivered in chunks. Who works on a chunk need not have received its event.
pub(crate) struct ChunkTraces(Cache<TweetId, Option<TraceContext>>);

impl Default for ChunkTraces {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED))
    }
}

impl ChunkTraces {
    /// A chunk is begun.
    pub(crate) async fn begin(&self, log: &dyn EventLog, chunk: &PendingChunk) -> Span {
        if !is_on() {
            return Span::none();
        }
        let Some(trace) = self.find(log, chunk.tweet).await else {
            return Span::none();
        };
        let Some(parent) = Parent::read(&trace.0, None) else {
            return Span::none();
        };
        let name = if chunk.plan.is_rest() {
            "plan chunks"
        } else {
            "deliver chunk"
        };
        let span = Span::within(&parent, Kind::Internal, name);
        if span.is_recorded() {
            span.set(names::TWEET_ID, chunk.tweet.to_string());
            span.set(names::DELIVERY_MODE, chunk.mode.as_str());
            span.count(names::CHUNK_NUMBER, chunk.plan.number.into());
            span.count(names::CHUNK_TRIES, chunk.tries.into());
        }
        span
    }

    /// Where the log can't be asked the chunk is done without a span.
    async fn find(&self, log: &dyn EventLog, tweet: TweetId) -> Option<TraceContext> {
        if let Some(known) = self.0.get(&tweet) {
            return known;
        }
        let trace = log.trace_of(tweet).await.ok()?;
        self.0.insert(tweet, trace.clone());
        trace
    }
}

//! What is counted of deliveries.

mod books;

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use model::{DeliveryRecord, Mode};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use storage::{Books, ChunkResult};
use telemetry::{COUNTS, DELIVERY_SECONDS, Histograms, Metrics};

use books::BookMetrics;

/// What became of followers.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DealtWith {
    written: u64,
    skipped: u64,
    unfollowed: u64,
}

impl From<&DeliveryRecord> for DealtWith {
    fn from(record: &DeliveryRecord) -> Self {
        Self {
            written: record.written,
            skipped: record.skipped,
            unfollowed: record.unfollowed,
        }
    }
}

impl From<ChunkResult> for DealtWith {
    fn from(result: ChunkResult) -> Self {
        Self {
            written: result.written,
            skipped: result.skipped,
            unfollowed: result.unfollowed,
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct FanOutMetrics {
    backlog: Gauge,
    oldest: Gauge<f64, AtomicU64>,
    aside: Gauge,
    pending: Gauge,
    books: BookMetrics,
    received: Counter,
    tweets: Family<TweetLabels, Counter>,
    deliveries: Family<DeliveryLabels, Counter>,
    expected: Counter,
    unaccounted: Counter,
    chunks: Family<ChunkLabels, Counter>,
    followers: Histogram,
    duration: Histograms<SizeLabels>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TweetLabels {
    mode: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DeliveryLabels {
    outcome: &'static str,
    reason: &'static str,
}

const CHUNK_DONE: &str = "done";
const CHUNK_FAILED: &str = "failed";

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ChunkLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SizeLabels {
    followers: &'static str,
}

impl Default for FanOutMetrics {
    fn default() -> Self {
        Self {
            backlog: Gauge::default(),
            oldest: Gauge::default(),
            aside: Gauge::default(),
            pending: Gauge::default(),
            books: BookMetrics::default(),
            received: Counter::default(),
            tweets: Family::default(),
            deliveries: Family::default(),
            expected: Counter::default(),
            unaccounted: Counter::default(),
            chunks: Family::default(),
            followers: Histogram::new(COUNTS),
            duration: Histograms::new_with_constructor(|| Histogram::new(DELIVERY_SECONDS)),
        }
    }
}

impl FanOutMetrics {
    pub(crate) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_backlog_events",
            "Events that are committed and not acknowledged, in the whole log, as each process saw it some seconds ago; \
             beyond some thousands about so many",
            &self.backlog,
        );
        metrics.add(
            "rookery_backlog_oldest_seconds",
            "How long the oldest of them has waited; 0 when there is none",
            &self.oldest,
        );
        metrics.add(
            "rookery_tweets_set_aside",
            "Tweets that fan-out has set aside, at most 1,000: readers look them up until somebody replays them",
            &self.aside,
        );
        metrics.add(
            "rookery_backlog_deliveries",
            "Followers in chunks that are planned and not done, of the whole system, as each process saw it some seconds ago",
            &self.pending,
        );
        self.books.register(metrics);
        metrics.add(
            "rookery_events_received",
            "Events that were taken from the log, each time that they were",
            &self.received,
        );
        metrics.add(
            "rookery_tweets_fanned_out",
            "Tweets that are done, by `mode` (`push`, `pull`, `both`)",
            &self.tweets,
        );
        metrics.add(
            "rookery_deliveries",
            "Followers of pushed tweets that are dealt with, by `outcome`: `written` into a timeline, or `skipped`, with a \
             `reason`: `no_timeline`, or `unfollowed` since the tweet was planned",
            &self.deliveries,
        );
        metrics.add(
            "rookery_deliveries_expected",
            "Followers that the tweets and chunks had which this process recorded as done: what is written and skipped adds \
             up to it",
            &self.expected,
        );
        metrics.add(
            "rookery_deliveries_unaccounted",
            "Followers of these who were neither written nor skipped for a known reason, or were so too often: always 0. With \
             `rookery_build_info` it tells a version that loses deliveries",
            &self.unaccounted,
        );
        metrics.add(
            "rookery_chunks",
            "Chunks of huge authors' followers that were worked on, by `outcome` (`done`, `failed`: to be done again)",
            &self.chunks,
        );
        metrics.add(
            "rookery_author_followers",
            "Followers of the authors of tweets, when they are fanned out; nobody counts them under the strategy `pull`",
            &self.followers,
        );
        metrics.add(
            "rookery_delivery_seconds",
            "Time from the acceptance of a tweet until its last follower has it, by how many `followers` there are \
             (`below 100`, `below 10k`, `below 1M`, `more`)",
            &self.duration,
        );
        self.begin_at_zero();
    }

    /// What appears with its first is no increase to Prometheus.
    fn begin_at_zero(&self) {
        for mode in [Mode::Push, Mode::Pull, Mode::Both] {
            let mode = mode.as_str();
            self.tweets.get_or_create(&TweetLabels { mode }).inc_by(0);
        }
        for outcome in [CHUNK_DONE, CHUNK_FAILED] {
            self.chunks.get_or_create(&ChunkLabels { outcome }).inc_by(0);
        }
        let nothing = DealtWith {
            written: 0,
            skipped: 0,
            unfollowed: 0,
        };
        self.deliveries(0, nothing);
    }

    /// What lies before fan-out now.
    pub(crate) fn backlog(&self, events: u64, oldest_ms: u64, aside: usize) {
        self.backlog.set(i64::try_from(events).unwrap_or(i64::MAX));
        #[expect(clippy::cast_precision_loss, reason = "a backlog is younger than a million years")]
        self.oldest.set(oldest_ms as f64 / 1_000.0);
        self.aside.set(i64::try_from(aside).unwrap_or(i64::MAX));
    }

    /// Nothing is known of the backlog for so long.
    pub(crate) fn backlog_waits(&self, time: Duration) {
        self.oldest.inc_by(time.as_secs_f64());
    }

    pub(crate) fn received(&self, events: usize) {
        self.received.inc_by(events as u64);
    }

    /// Followers in chunks that are not done.
    pub(crate) fn deliveries_pending(&self, followers: u64) {
        self.pending.set(i64::try_from(followers).unwrap_or(i64::MAX));
    }

    /// The books, as the store has them.
    pub(crate) fn books(&self, books: &Books) {
        self.books.show(books);
    }

    /// Tweets that are done, deliveries and all.
    pub(crate) fn delivered(&self, records: &[DeliveryRecord]) {
        for record in records {
            self.deliveries(record.expected, record.into());
            self.finished(record);
        }
    }

    /// Followers of a part of a tweet.
    pub(crate) fn deliveries(&self, expected: u64, dealt: DealtWith) {
        let DealtWith {
            written,
            skipped,
            unfollowed,
        } = dealt;
        let no_timeline = skipped.saturating_sub(unfollowed);
        for (outcome, reason, count) in [
            ("written", "", written),
            ("skipped", "no_timeline", no_timeline),
            ("skipped", "unfollowed", unfollowed),
        ] {
            let labels = DeliveryLabels { outcome, reason };
            self.deliveries.get_or_create(&labels).inc_by(count);
        }
        self.expected.inc_by(expected);
        self.unaccounted.inc_by(expected.abs_diff(written + skipped));
    }

    /// The author of a pulled tweet has so many followers.
    pub(crate) fn author(&self, followers: u64) {
        #[expect(clippy::cast_precision_loss, reason = "a follower more or less")]
        self.followers.observe(followers as f64);
    }

    pub(crate) fn chunk(&self, is_done: bool) {
        let outcome = if is_done { CHUNK_DONE } else { CHUNK_FAILED };
        self.chunks.get_or_create(&ChunkLabels { outcome }).inc();
    }

    /// A tweet, apart from its deliveries.
    pub(crate) fn finished(&self, record: &DeliveryRecord) {
        let mode = record.mode.as_str();
        self.tweets.get_or_create(&TweetLabels { mode }).inc();
        let Some(finished_at_ms) = record.finished_at_ms.filter(|_| record.mode != Mode::Pull) else {
            return;
        };
        self.author(record.expected);
        let followers = match record.expected {
            0..100 => "below 100",
            100..10_000 => "below 10k",
            10_000..1_000_000 => "below 1M",
            _ => "more",
        };
        #[expect(clippy::cast_precision_loss, reason = "a delivery takes less than a million years")]
        let seconds = finished_at_ms.saturating_sub(record.accepted_at_ms) as f64 / 1_000.0;
        let duration = self.duration.get_or_create(&SizeLabels { followers });
        duration.observe(seconds);
    }
}

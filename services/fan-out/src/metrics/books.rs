//! The books, as the store has them: every process shows the same.

use std::sync::atomic::{AtomicU64, Ordering};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use storage::Books;
use telemetry::Metrics;

/// Totals begin where the store has them: until that is known there are none, as they would seem to have risen.
#[derive(Debug, Clone, Default)]
pub(crate) struct BookMetrics {
    tweets: Family<FigureLabels, Counter>,
    deliveries: Family<FigureLabels, Counter>,
    difference: Family<BookLabels, Counter>,
    closed_until: Gauge<f64, AtomicU64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FigureLabels {
    figure: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BookLabels {
    book: &'static str,
}

impl BookMetrics {
    pub(crate) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_books_tweets",
            "Tweets in the books, which are closed up to where everything is done, by `figure`: those `accepted` are `done` or \
             were set `aside`. From durable records, the same in every process: take the `max`, not the `sum`",
            &self.tweets,
        );
        metrics.add(
            "rookery_books_deliveries",
            "Followers of the tweets in the books that are done, by `figure`: those `expected` are `written`, or skipped \
             because they had `no_timeline` or have `unfollowed`. The same in every process",
            &self.deliveries,
        );
        metrics.add(
            "rookery_books_difference",
            "What went in and did not come out, or the other way round, by `book` (`tweets`, `deliveries`): always 0. The same \
             in every process",
            &self.difference,
        );
        metrics.add(
            "rookery_books_closed_until_seconds",
            "Up to when tweets are in the books, in seconds since 1970. The same in every process",
            &self.closed_until,
        );
    }

    /// Shows them.
    pub(crate) fn show(&self, books: &Books) {
        let (totals, tally) = (&books.totals, &books.totals.tally);
        for (figure, value) in [
            ("accepted", totals.accepted),
            ("done", tally.done),
            ("aside", totals.aside),
        ] {
            set(&self.tweets.get_or_create(&FigureLabels { figure }), value);
        }
        for (figure, value) in [
            ("expected", tally.expected),
            ("written", tally.written),
            ("no_timeline", tally.skipped.saturating_sub(tally.unfollowed)),
            ("unfollowed", tally.unfollowed),
        ] {
            set(&self.deliveries.get_or_create(&FigureLabels { figure }), value);
        }
        for (book, value) in [("tweets", totals.difference), ("deliveries", tally.difference)] {
            set(&self.difference.get_or_create(&BookLabels { book }), value);
        }
        #[expect(clippy::cast_precision_loss, reason = "a time")]
        self.closed_until.set(books.closed.unix_ms() as f64 / 1_000.0);
    }
}

fn set(counter: &Counter, value: u64) {
    counter.inner().store(value, Ordering::Relaxed);
}

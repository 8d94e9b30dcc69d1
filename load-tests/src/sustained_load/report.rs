//! What a sustained load came to, and whether it was held.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result};
use load_tests::latencies::Latencies;
use model::DeliveryRecord;
use storage::TimelineStats;

use crate::http_load::Outcome;

/// Tweets are in all timelines within this, of a hundred all but one.
const DELIVERED_WITHIN: Duration = Duration::from_secs(1);

/// Of the rate, what must be accepted a second: the last answer comes a little after the last moment.
const ACCEPTED: f64 = 0.99;

/// What was measured while it ran.
pub(super) struct Figures {
    pub(super) rate: u32,
    pub(super) seconds: u64,
    pub(super) accounts: u64,
    pub(super) timelines: TimelineStats,
    /// Of the whole process, load generator included.
    pub(super) processor: Duration,
    pub(super) resident_bytes: u64,
    /// By name, in bytes.
    pub(super) files: Vec<(String, u64)>,
    pub(super) outcome: Outcome,
}

/// What it came to.
pub(super) struct Report {
    figures: Figures,
    expected: u64,
    written: u64,
    skipped: u64,
    most_followers: u64,
    /// Tweets whose books do not add up, or are not closed.
    undelivered: usize,
    /// From the first moment to the last delivery.
    took: Duration,
    since_due: Latencies,
    since_accepted: Latencies,
}

impl Report {
    /// Of the books of all acknowledged tweets, each with the moment that it was due, in milliseconds since 1970.
    pub(super) fn new(figures: Figures, books: &[(u64, DeliveryRecord)]) -> Result<Self> {
        let sum = |count: fn(&DeliveryRecord) -> u64| books.iter().map(|(_, record)| count(record)).sum();
        let since = |from_ms: fn(&(u64, DeliveryRecord)) -> u64| {
            let latency = |book: &(u64, DeliveryRecord)| {
                let finished_at_ms = book.1.finished_at_ms?;
                Some(Duration::from_millis(finished_at_ms.saturating_sub(from_ms(book))))
            };
            books.iter().filter_map(latency).collect()
        };
        let is_delivered = |record: &DeliveryRecord| record.finished_at_ms.is_some() && record.difference() == 0;
        let first_ms = books.iter().map(|(due_ms, _)| *due_ms).min();
        let last_ms = books.iter().filter_map(|(_, record)| record.finished_at_ms).max();
        let (first_ms, last_ms) = first_ms.zip(last_ms).context("no tweet was delivered")?;
        Ok(Self {
            expected: sum(|record| record.expected),
            written: sum(|record| record.written),
            skipped: sum(|record| record.skipped),
            most_followers: books.iter().map(|(_, record)| record.expected).max().unwrap_or(0),
            undelivered: books.iter().filter(|(_, record)| !is_delivered(record)).count(),
            took: Duration::from_millis(last_ms.saturating_sub(first_ms)),
            since_due: since(|(due_ms, _)| *due_ms),
            since_accepted: since(|(_, record)| record.accepted_at_ms),
            figures,
        })
    }

    /// Why the load was not held; nothing if it was.
    fn failures(&self) -> Vec<String> {
        let Figures { rate, outcome, .. } = &self.figures;
        let p99 = self.since_due.at(0.99);
        let failures = [
            (outcome.refused > 0, format!("{} tweets were refused", outcome.refused)),
            (
                outcome.rate() < f64::from(*rate) * ACCEPTED,
                format!("{:.0} tweets a second were accepted", outcome.rate()),
            ),
            (
                self.undelivered > 0,
                format!(
                    "{} tweets are not delivered, or their books do not add up",
                    self.undelivered
                ),
            ),
            (
                p99 >= DELIVERED_WITHIN,
                format!("one tweet in a hundred was in all timelines {p99:.1?} after it was due, or later"),
            ),
        ];
        let failed = failures.into_iter().filter(|(failed, _)| *failed);
        failed.map(|(_, why)| why).collect()
    }
}

impl fmt::Display for Report {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Figures { outcome, timelines, .. } = &self.figures;
        let megabytes = |bytes: u64| bytes as f64 / 1e6;
        let cores = |time: Duration| time.as_secs_f64() / self.took.as_secs_f64();
        writeln!(
            f,
            "{} accounts, timelines of {:.0} entries on average; followers of a tweet's author: {:.1} on average, {} at most",
            self.figures.accounts,
            timelines.entries as f64 / timelines.timelines as f64,
            self.expected as f64 / outcome.answers as f64,
            self.most_followers
        )?;
        writeln!(
            f,
            "tweets acknowledged: {:.0} /s, refused: {}",
            outcome.rate(),
            outcome.refused
        )?;
        writeln!(f, "acknowledged after they were due: {}", outcome.latencies)?;
        writeln!(
            f,
            "deliveries: {:.0} /s; {} expected, {} written, {} skipped",
            self.written as f64 / self.took.as_secs_f64(),
            self.expected,
            self.written,
            self.skipped
        )?;
        writeln!(f, "in all timelines after they were accepted: {}", self.since_accepted)?;
        writeln!(f, "in all timelines after they were due: {}", self.since_due)?;
        writeln!(
            f,
            "processors: {:.2}, of which the load generator {:.2}; resident memory: {:.0} MB",
            cores(self.figures.processor),
            cores(outcome.processor),
            megabytes(self.figures.resident_bytes)
        )?;
        let files = self.figures.files.iter();
        let files: Vec<String> = files
            .map(|(name, bytes)| format!("{name} {:.0} MB", megabytes(*bytes)))
            .collect();
        writeln!(f, "files: {}", files.join(", "))?;
        let (rate, seconds) = (self.figures.rate, self.figures.seconds);
        match &*self.failures() {
            [] => write!(f, "held: {rate} tweets a second for {seconds} s"),
            failures => write!(
                f,
                "NOT held: {rate} tweets a second for {seconds} s: {}",
                failures.join("; ")
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use model::{Mode, TweetId, UserId};

    use super::*;

    const DUE_MS: u64 = 1_000_000;

    fn delivered(after_ms: u64) -> DeliveryRecord {
        DeliveryRecord {
            tweet: TweetId::new(1),
            author: UserId::new(1),
            mode: Mode::Push,
            expected: 3,
            written: 2,
            skipped: 1,
            unfollowed: 0,
            accepted_at_ms: DUE_MS + 10,
            finished_at_ms: Some(DUE_MS + after_ms),
        }
    }

    fn report(records: &[DeliveryRecord], refused: u64) -> Report {
        let figures = Figures {
            rate: 1,
            seconds: 1,
            accounts: 4,
            timelines: TimelineStats::default(),
            processor: Duration::ZERO,
            resident_bytes: 0,
            files: Vec::new(),
            outcome: Outcome {
                answers: records.len() as u64,
                refused,
                elapsed: Duration::from_secs(1),
                ..Outcome::default()
            },
        };
        let books: Vec<_> = records.iter().map(|record| (DUE_MS, record.clone())).collect();
        Report::new(figures, &books).unwrap()
    }

    #[test]
    fn a_load_is_held_if_nothing_is_refused_late_or_lost() {
        let failures = |records: &[_], refused| report(records, refused).failures().len();
        assert_eq!(failures(&[delivered(900)], 0), 0);
        assert_eq!(failures(&[delivered(900)], 1), 1);
        assert_eq!(failures(&[delivered(1_100)], 0), 1);
        let lost = DeliveryRecord {
            written: 1,
            ..delivered(900)
        };
        assert_eq!(failures(&[lost], 0), 1);
        let pending = DeliveryRecord {
            finished_at_ms: None,
            ..delivered(900)
        };
        assert_eq!(failures(&[delivered(900), pending], 0), 1);
        assert_eq!(report(&[delivered(900)], 0).since_accepted.at(1.0).as_millis(), 890);
    }
}

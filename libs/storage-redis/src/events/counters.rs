//! What has happened, as numbers.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use telemetry::Metrics;

type ByOutcome = Family<[(&'static str, &'static str); 1], Counter>;

/// Counted since the log was opened, by this process alone.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EventLogCounts {
    /// Events that were taken over from whoever no longer worked on them.
    pub claimed: u64,
    /// Events that the streams had lost and that were published again.
    pub republished: u64,
    /// Events that were set aside because handing them out failed too often.
    pub poisoned: u64,
    /// Entries that were set aside because this build does not understand them.
    pub unreadable: u64,
    /// Entries of another life of the store, which were dropped.
    pub of_other_epochs: u64,
}

/// The same as metrics.
#[derive(Debug, Clone, Default)]
pub struct EventLogMetrics {
    entries: ByOutcome,
    sweeps: ByOutcome,
}

impl EventLogMetrics {
    /// Adds them to the metrics of its process.
    pub fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_log_entries",
            "Entries of the event log that did not simply go through, by `outcome`: `claimed` from a worker that no longer \
             worked on them, `republished` because Redis had lost them, set aside as `poisoned` (they failed too often) or \
             `unreadable`, or dropped as `of_other_epochs`",
            &self.entries,
        );
        metrics.add(
            "rookery_log_sweeps",
            "Passes of the process that looks for what Redis has lost, by `outcome`: `done` or `failed`. One process at a time \
             makes them: if none is `done` for minutes, what is lost is not found",
            &self.sweeps,
        );
    }
}

pub(super) struct Counters {
    pub(super) metrics: EventLogMetrics,
    pub(super) claimed: Counter,
    pub(super) republished: Counter,
    pub(super) poisoned: Counter,
    pub(super) unreadable: Counter,
    pub(super) of_other_epochs: Counter,
    pub(super) swept: Counter,
    pub(super) not_swept: Counter,
}

impl Default for Counters {
    fn default() -> Self {
        let metrics = EventLogMetrics::default();
        let of = |family: &ByOutcome, outcome| family.get_or_create(&[("outcome", outcome)]).clone();
        let entries = |outcome| of(&metrics.entries, outcome);
        Self {
            claimed: entries("claimed"),
            republished: entries("republished"),
            poisoned: entries("poisoned"),
            unreadable: entries("unreadable"),
            of_other_epochs: entries("of_other_epochs"),
            swept: of(&metrics.sweeps, "done"),
            not_swept: of(&metrics.sweeps, "failed"),
            metrics,
        }
    }
}

impl Counters {
    pub(super) fn read(&self) -> EventLogCounts {
        EventLogCounts {
            claimed: self.claimed.get(),
            republished: self.republished.get(),
            poisoned: self.poisoned.get(),
            unreadable: self.unreadable.get(),
            of_other_epochs: self.of_other_epochs.get(),
        }
    }
}

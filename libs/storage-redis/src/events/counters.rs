//! What has happened, as numbers.

use std::sync::atomic::{AtomicU64, Ordering};

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

#[derive(Default)]
pub(super) struct Counters {
    pub(super) claimed: Counter,
    pub(super) republished: Counter,
    pub(super) poisoned: Counter,
    pub(super) unreadable: Counter,
    pub(super) of_other_epochs: Counter,
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

#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    pub(super) fn add(&self, count: usize) {
        self.0.fetch_add(count as u64, Ordering::Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

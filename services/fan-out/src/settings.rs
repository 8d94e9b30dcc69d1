//! What can be chosen.

use std::time::Duration;

/// Settings of fan-out.
#[derive(Debug, Clone)]
pub struct FanOutSettings {
    /// How many events a worker takes at once, at most.
    pub batch: usize,
    /// Authors with more followers than this are delivered in chunks of this size.
    pub chunk: usize,
    /// How many chunks of an author are planned in one go.
    pub planned_at_once: usize,
    /// How many chunks this process works on at the same time.
    pub chunk_workers: usize,
    /// How often a chunk is begun before it is set aside.
    pub chunk_tries: u32,
    /// How many pairs of follower and tweet are grouped and written at once, at most, beyond one author's.
    pub pairs: usize,
    /// How long a worker waits for the first event of a batch.
    pub wait: Duration,
    /// How long one call to a store may take.
    pub store_timeout: Duration,
    /// The longest pause between attempts while a store is away.
    pub longest_pause: Duration,
    /// How long records are kept once they are finished.
    pub records_kept: Duration,
    /// How often the books are closed, by whichever process comes first.
    pub books_every: Duration,
}

impl Default for FanOutSettings {
    fn default() -> Self {
        Self {
            batch: 4_096,
            chunk: 10_000,
            planned_at_once: 100,
            chunk_workers: 2,
            chunk_tries: 10,
            pairs: 200_000,
            wait: Duration::from_secs(1),
            store_timeout: Duration::from_secs(10),
            longest_pause: Duration::from_secs(2),
            records_kept: Duration::from_hours(168),
            books_every: Duration::from_secs(5),
        }
    }
}

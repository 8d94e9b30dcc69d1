//! Until when an answer is of use.

use std::time::{Duration, Instant};

/// Until when an answer is of use. Made once for a request and handed down, so that the parts of a request share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(Instant);

impl Deadline {
    /// `after` from now.
    pub fn after(after: Duration) -> Self {
        Self(Instant::now() + after)
    }

    /// The moment itself.
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// How much is left; zero when it has passed.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

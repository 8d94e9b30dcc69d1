//! Latencies and what they come to.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

/// Ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// Latencies. Of an open-loop load they count from the moment that a request was due, whenever it was sent.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let microseconds = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self(microseconds.expect("these bounds and three significant figures are possible"))
    }
}

impl Latencies {
    /// Adds one. Beyond ten minutes it counts as ten minutes.
    pub fn add(&mut self, latency: Duration) {
        self.0
            .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// What this part of them, from 0 to 1, does not exceed.
    pub fn at(&self, quantile: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(quantile))
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(all: I) -> Self {
        let mut latencies = Self::default();
        all.into_iter().for_each(|latency| latencies.add(latency));
        latencies
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (p50, p99, p999, max) = (self.at(0.5), self.at(0.99), self.at(0.999), self.at(1.0));
        write!(
            f,
            "{}, p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {max:.1?}",
            self.count()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_latencies() {
        let latencies: Latencies = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(
            latencies.to_string(),
            "100, p50 50.0ms, p99 99.0ms, p99.9 100.0ms, max 100.0ms"
        );
    }
}

//! What a load came to.

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;
use test_support::Answer;

/// Ten minutes.
const LONGEST_US: u64 = 600_000_000;

/// Latencies, from the moment that a request was due.
#[derive(Debug, Clone)]
pub struct Latencies(Histogram<u64>);

impl Default for Latencies {
    fn default() -> Self {
        let microseconds = Histogram::new_with_bounds(1, LONGEST_US, 3);
        Self(microseconds.expect("these bounds and three significant figures are possible"))
    }
}

impl Latencies {
    pub(super) fn add(&mut self, latency: Duration) {
        self.0
            .saturating_record(u64::try_from(latency.as_micros()).unwrap_or(u64::MAX));
    }

    /// How many.
    pub fn count(&self) -> u64 {
        self.0.len()
    }
}

impl fmt::Display for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |quantile| Duration::from_micros(self.0.value_at_quantile(quantile));
        let (p50, p99, p999, max) = (at(0.5), at(0.99), at(0.999), at(1.0));
        write!(
            f,
            "{}, p50 {p50:.1?}, p99 {p99:.1?}, p99.9 {p999:.1?}, max {max:.1?}",
            self.0.len()
        )
    }
}

/// What a load came to.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Posts that were acknowledged.
    pub posts: Latencies,
    /// Home timelines that were answered.
    pub reads: Latencies,
    /// Requests that were answered 503.
    pub refused: u64,
    /// Those of them that did not say when to come again.
    pub without_retry_after: u64,
    /// Requests that nobody answered, or only a load balancer whose connection to a service was cut (502, 504).
    pub unanswered: u64,
}

/// What load balancers answer for services that do not. Services never do.
pub(super) const fn is_cut(answer: &Answer) -> bool {
    matches!(answer.status, 502 | 504)
}

impl Report {
    pub(super) fn refused(&mut self, answer: &Answer) {
        self.refused += 1;
        self.without_retry_after += u64::from(!answer.headers.contains_key("retry-after"));
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "posts acknowledged: {}", self.posts)?;
        writeln!(f, "home timelines read: {}", self.reads)?;
        write!(
            f,
            "refused with 503: {} ({} without Retry-After); unanswered: {}",
            self.refused, self.without_retry_after, self.unanswered
        )
    }
}

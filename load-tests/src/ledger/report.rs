//! What a load came to.

use std::fmt;

use test_support::Answer;

use crate::latencies::Latencies;

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

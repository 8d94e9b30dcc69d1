//! What keeps a failing service from being asked ever more: a circuit breaker and a budget of retries.

use std::time::{Duration, Instant};

use parking_lot::Mutex;

/// Failures in a row after which nobody is asked for a while.
const FAILURES: u32 = 5;
/// For how long.
const OPEN_FOR: Duration = Duration::from_millis(500);

/// Retries that may be saved up, and what each request adds.
const MOST_RETRIES: f64 = 10.0;
const RETRIES_PER_REQUEST: f64 = 0.1;

/// Both, for one service.
pub(crate) struct Breaker(Mutex<State>);

struct State {
    failures: u32,
    closed_from: Instant,
    retries: f64,
}

impl Breaker {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(State {
            failures: 0,
            closed_from: Instant::now(),
            retries: MOST_RETRIES,
        }))
    }

    /// Whether a request may be sent. While the circuit is open, one request now and then tries whether it works again.
    pub(crate) fn admits(&self) -> bool {
        let mut state = self.0.lock();
        state.retries = (state.retries + RETRIES_PER_REQUEST).min(MOST_RETRIES);
        if state.failures < FAILURES {
            return true;
        }
        let now = Instant::now();
        let admitted = now >= state.closed_from;
        if admitted {
            state.closed_from = now + OPEN_FOR;
        }
        admitted
    }

    /// Whether a request that failed may be sent again.
    pub(crate) fn admits_retry(&self) -> bool {
        let mut state = self.0.lock();
        let admitted = state.retries >= 1.0 && state.failures < FAILURES;
        if admitted {
            state.retries -= 1.0;
        }
        admitted
    }

    pub(crate) fn succeeded(&self) {
        self.0.lock().failures = 0;
    }

    pub(crate) fn failed(&self) {
        let mut state = self.0.lock();
        state.failures = state.failures.saturating_add(1);
        if state.failures >= FAILURES {
            state.closed_from = Instant::now() + OPEN_FOR;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_closes_with_a_success() {
        let breaker = Breaker::new();
        for _ in 1..FAILURES {
            breaker.failed();
        }
        breaker.succeeded();
        for _ in 1..FAILURES {
            breaker.failed();
            assert!(breaker.admits());
        }
        breaker.failed();
        assert!(!breaker.admits() && !breaker.admits_retry());
        breaker.succeeded();
        assert!(breaker.admits());
    }

    #[test]
    fn retries_run_out() {
        let breaker = Breaker::new();
        let admitted = (0..100).filter(|_| breaker.admits_retry()).count();
        assert_eq!(admitted, 10);
    }
}

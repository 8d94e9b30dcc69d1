//! What is counted of a pool.

use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::histogram::Histogram;
use telemetry::{Gauges, Metrics, REQUEST_SECONDS};

/// What a pool is like at a moment.
#[derive(Debug, Clone, Copy, Default)]
pub struct PoolState {
    /// Connections at most.
    pub max: usize,
    /// Connections that nobody uses.
    pub idle: usize,
    /// Connections that somebody uses, or that are being made.
    pub in_use: usize,
    /// Callers who wait for one.
    pub waiting: usize,
}

/// What is counted of a pool.
#[derive(Debug, Clone)]
pub struct PoolMetrics {
    wait: Histogram,
    timeouts: Counter,
}

impl Default for PoolMetrics {
    fn default() -> Self {
        Self {
            wait: Histogram::new(REQUEST_SECONDS),
            timeouts: Counter::default(),
        }
    }
}

impl PoolMetrics {
    /// Adds them, and what `state` tells whenever it is asked.
    pub fn register(&self, metrics: &mut Metrics, state: impl Fn() -> PoolState + Clone + Send + Sync + 'static) {
        metrics.add(
            "rookery_postgres_pool_wait_seconds",
            "Time until a caller had a connection to PostgreSQL that works, or gave up",
            &self.wait,
        );
        metrics.add(
            "rookery_postgres_pool_timeouts",
            "Callers who had no connection in time: all were in use, or none could be made",
            &self.timeouts,
        );
        let waiting = state.clone();
        metrics.add(
            "rookery_postgres_pool_connections",
            "Connections to PostgreSQL, by `state`: `idle`, `in_use`, and how many there may be (`max`)",
            &Gauges::new("state", move || {
                let PoolState { max, idle, in_use, .. } = state();
                vec![("idle", idle), ("in_use", in_use), ("max", max)]
            }),
        );
        metrics.add(
            "rookery_postgres_pool_waiting",
            "Callers who wait for a connection to PostgreSQL now",
            &Gauges::one(move || waiting().waiting),
        );
    }

    /// Somebody has waited for so long.
    pub(super) fn waited(&self, time: Duration, in_vain: bool) {
        self.wait.observe(time.as_secs_f64());
        if in_vain {
            self.timeouts.inc();
        }
    }
}

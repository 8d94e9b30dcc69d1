//! What is counted of the caches.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use telemetry::Metrics;

/// Looks at the caches of a process, by part and by where the answer was.
#[derive(Debug, Clone, Default)]
pub(crate) struct ReplicaMetrics {
    looked_up: Family<[(&'static str, &'static str); 2], Counter>,
}

/// Looks at one cache.
#[derive(Debug, Clone, Default)]
pub struct Lookups {
    kept: Counter,
    missing: Counter,
}

impl ReplicaMetrics {
    /// Those of one part.
    pub(crate) fn of(&self, part: &'static str) -> Lookups {
        let by = |source| {
            let labels = [("part", part), ("source", source)];
            self.looked_up.get_or_create(&labels).clone()
        };
        Lookups {
            kept: by("cache"),
            missing: by("store"),
        }
    }

    pub(crate) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_graph_looked_up",
            "Looks at the follow graph, by `part` (whom a `reader` follows, mutes and blocks; the `followers` of an author of \
             few) and `source`: this process's `cache`, or `store`, follow-graph too, where that did not have it",
            &self.looked_up,
        );
    }
}

impl Lookups {
    pub(crate) fn count(&self, is_kept: bool) {
        if is_kept {
            self.kept.inc();
        } else {
            self.missing.inc();
        }
    }

    #[cfg(test)]
    pub(crate) fn so_far(&self) -> (u64, u64) {
        (self.kept.get(), self.missing.get())
    }
}

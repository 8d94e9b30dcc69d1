//! Metrics, traces and the ids of requests: what a process counts, what it did for whom, and how that gets out of it.
//!
//! Whoever counts owns its metrics: a struct of counters, gauges and histograms, cheap to clone. It adds them to the
//! [`Metrics`] of its process, which `/metrics` renders in the text format of `OpenMetrics`. Names and units are Prometheus's:
//! `rookery_` and a plain noun, seconds, `_total` for what only grows. Labels take few values: never an account or a tweet.

mod gauges;
mod request_id;
pub mod trace;

use std::fmt;

use prometheus_client::encoding::text;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::{Metric, Registry};

pub use gauges::Gauges;
pub use request_id::{RequestId, X_REQUEST_ID};

/// The content type of what [`Metrics::render`] answers.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Bounds for how long requests take, in seconds.
pub const REQUEST_SECONDS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Bounds for how long deliveries take, in seconds: the promise is 5.
pub const DELIVERY_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

/// Bounds for how many there are of something.
pub const COUNTS: [f64; 8] = [0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// A histogram for each set of labels.
pub type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// What a process counts.
#[derive(Debug, Default)]
pub struct Metrics {
    registry: Registry,
    descriptions: Vec<Description>,
}

/// What a metric means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// As Prometheus knows it.
    pub name: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// What is counted, and what its labels say.
    pub help: &'static str,
}

impl Metrics {
    /// Those of this program and version.
    pub fn new(service: &'static str, version: &'static str) -> Self {
        let mut metrics = Self::default();
        let labels = [("service", service), ("version", version)];
        let build = Family::<[(&'static str, &'static str); 2], Gauge>::default();
        build.get_or_create(&labels).set(1);
        metrics.add(
            "rookery_build_info",
            "The program (`service`) and its `version`: always 1",
            &build,
        );
        metrics
    }

    /// Adds one. Its name is that of Prometheus, without the `_total` of counters.
    pub fn add<M: Metric + TypedMetric + Clone>(&mut self, name: &'static str, help: &'static str, metric: &M) {
        let (kind, suffix) = match M::TYPE {
            MetricType::Counter => ("counter", "_total"),
            MetricType::Histogram => ("histogram", ""),
            _ => ("gauge", ""),
        };
        self.descriptions.push(Description {
            name: format!("{name}{suffix}"),
            kind,
            help,
        });
        self.registry.register(name, help, metric.clone());
    }

    /// What there is, in the order in which it was added.
    pub fn descriptions(&self) -> &[Description] {
        &self.descriptions
    }

    /// All of it, for Prometheus.
    pub fn render(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn what_was_counted_is_rendered_and_described() {
        let mut metrics = Metrics::new("fan-out", "1.2.3");
        let queue = Gauges::new("state", || vec![("waiting", 2), ("done", 0)]);
        metrics.add("rookery_queue", "What is in a queue", &queue);
        metrics.add("rookery_depth", "How deep it is", &Gauges::one(|| 7));
        let tweets = <Counter>::default();
        metrics.add("rookery_tweets", "Tweets", &tweets);
        tweets.inc_by(3);
        let text = metrics.render().unwrap();
        assert!(
            text.contains("rookery_build_info{service=\"fan-out\",version=\"1.2.3\"} 1\n"),
            "{text}"
        );
        assert!(text.contains("rookery_tweets_total 3\n"), "{text}");
        let queue = "rookery_queue{state=\"waiting\"} 2\nrookery_queue{state=\"done\"} 0\n";
        assert!(text.contains(queue), "{text}");
        assert!(text.contains("rookery_depth 7\n"), "{text}");
        assert!(text.ends_with("# EOF\n"), "{text}");
        let last = metrics.descriptions().last().unwrap();
        assert_eq!((&*last.name, last.kind), ("rookery_tweets_total", "counter"));
    }
}

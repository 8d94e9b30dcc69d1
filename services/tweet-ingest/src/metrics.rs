//! What is counted of accepted tweets.

use prometheus_client::metrics::counter::Counter;
use telemetry::Metrics;

#[derive(Debug, Clone, Default)]
pub(crate) struct IngestMetrics {
    pub(crate) accepted: Counter,
    pub(crate) repeated: Counter,
    pub(crate) unpublished: Counter,
    pub(crate) deleted: Counter,
}

impl IngestMetrics {
    pub(crate) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_tweets_accepted",
            "Tweets that became durable and were acknowledged",
            &self.accepted,
        );
        metrics.add(
            "rookery_tweets_repeated",
            "Posts that were answered with the tweet of an earlier one under the same idempotency key",
            &self.repeated,
        );
        metrics.add(
            "rookery_tweets_deleted",
            "Tweets whose deletion became durable",
            &self.deleted,
        );
        metrics.add(
            "rookery_events_left_in_outbox",
            "Events that the log did not take at once: the sweeper hands them to it",
            &self.unpublished,
        );
    }
}

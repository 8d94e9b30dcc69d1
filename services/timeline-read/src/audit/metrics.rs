//! What audits count.

use prometheus_client::metrics::counter::Counter;
use telemetry::Metrics;

use super::Audited;

/// Counters, of this process since its start.
#[derive(Debug, Clone, Default)]
pub(crate) struct AuditMetrics {
    compared: Counter,
    missing: Counter,
    extra: Counter,
    repaired: Counter,
}

impl AuditMetrics {
    pub(crate) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_audit_compared",
            "Stored timelines that audits have compared with the tweets",
            &self.compared,
        );
        metrics.add(
            "rookery_audit_missing",
            "Entries that audits found missing in stored timelines: always 0 where nothing is wrong",
            &self.missing,
        );
        metrics.add(
            "rookery_audit_extra",
            "Entries that audits found in stored timelines and nothing explains: always 0 where nothing is wrong",
            &self.extra,
        );
        metrics.add(
            "rookery_audit_repaired",
            "Stored timelines that differed, and were in order after an audit had them built anew",
            &self.repaired,
        );
    }

    pub(super) fn count(&self, audited: &Audited) {
        let (missing, extra) = audited.counts();
        self.compared.inc();
        self.missing.inc_by(missing);
        self.extra.inc_by(extra);
        self.repaired.inc_by(u64::from(audited.is_repaired));
    }
}

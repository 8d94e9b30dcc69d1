//! A collector that takes spans, refuses them, hangs and comes back: in one process, which has one collector.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use telemetry::Metrics;
use telemetry::trace::{self, Kind, Parent, Span, TraceOptions};
use test_support::OtlpReceiver;
use test_support::otlp::Manner;

/// More than the queue and a batch hold.
const TOO_MANY: usize = 10_000;

fn counter(metrics: &Metrics, line: &str) -> u64 {
    let text = metrics.render().unwrap();
    let mut lines = text.lines();
    let value = lines.find_map(|told| told.strip_prefix(line)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

async fn until(mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_mins(1), "it does not come true");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_collector_does_not_take_is_dropped_and_counted() {
    // Off, there is nothing.
    assert!(!trace::is_on() && !Span::root(Kind::Internal, "before").is_recorded());
    let collector = OtlpReceiver::start().unwrap();
    let options = TraceOptions {
        service: "a test".to_owned(),
        version: "1.2.3",
        endpoint: format!("{}/", collector.endpoint()),
        sample_ratio: 0.0,
    };
    let exporting = trace::start(&options).unwrap();
    trace::start(&options).expect_err("a process has one collector");
    let mut metrics = Metrics::default();
    trace::register(&mut metrics);
    let exported = || counter(&metrics, "rookery_spans_exported_total");
    let dropped = |reason: &str| counter(&metrics, &format!("rookery_spans_dropped_total{{reason=\"{reason}\"}}"));

    // Chance has nothing recorded, others may, and what is within it is recorded with it.
    assert!(!Span::root(Kind::Server, "unlucky").is_recorded());
    assert!(!Span::child(Kind::Internal, "of nothing").is_recorded());
    let ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";
    let ignored = Parent::read(&format!("00-{ids}-00"), None).unwrap();
    assert!(!Span::within(&ignored, Kind::Server, "ignored").is_recorded());
    let parent = Parent::read(&format!("00-{ids}-01"), Some("other=1")).unwrap();
    let outer = Span::within(&parent, Kind::Server, "outer");
    let inner = async {
        tokio::task::yield_now().await;
        let inner = Span::child(Kind::Internal, "inner");
        inner.count("of", 7);
        (inner.as_parent().unwrap(), trace::current().unwrap())
    };
    let (inner, current) = outer.cover(inner).await;
    assert_eq!(Some(&current), outer.as_parent().as_ref());
    assert_eq!(
        (inner.trace_id(), inner.tracestate().as_deref()),
        (parent.trace_id(), Some("other=1"))
    );
    assert!(trace::current().is_none());
    drop(outer);
    until(|| exported() == 2).await;
    let trace = collector.trace("4bf92f3577b34da6a3ce929d0e0e4736");
    let (outer, inner) = (trace.the("outer"), trace.the("inner"));
    assert_eq!(outer.parent_span_id.as_deref(), Some("00f067aa0ba902b7"));
    assert_eq!(inner.parent_span_id.as_ref(), Some(&outer.span_id));
    assert_eq!((inner.count("of"), &*outer.service), (7, "a test"));

    let spans = |many: usize| (0..many).for_each(|_| Span::within(&parent, Kind::Internal, "one of many").end());
    collector.behave(Manner::Refuse);
    spans(3);
    until(|| dropped("not_taken") == 3).await;

    collector.behave(Manner::Hang);
    let (before, requests) = (dropped("not_taken"), collector.requests());
    spans(1);
    until(|| collector.requests() > requests).await;
    // Now the queue is not emptied for some seconds.
    let began = Instant::now();
    spans(TOO_MANY);
    println!("{TOO_MANY} spans into a full queue: {:?}", began.elapsed());
    until(|| dropped("queue_full") > 0).await;
    until(|| dropped("not_taken") > before).await;

    collector.behave(Manner::Take);
    until(|| exported() > 2).await;
    until(|| exported() + dropped("queue_full") + dropped("not_taken") == 2 + 3 + 1 + TOO_MANY as u64).await;

    let (taken, before) = (collector.spans().len(), exported());
    spans(700);
    exporting.flush(Duration::from_secs(30)).await;
    assert_eq!(
        (collector.spans().len(), exported()),
        (taken + 700, before + 700),
        "all of the last"
    );
    spans(1);
    assert_eq!(dropped("too_late"), 1);
}

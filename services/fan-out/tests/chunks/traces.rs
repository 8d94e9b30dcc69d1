//! What is delivered goes on in the trace that it came of, whoever delivers it.

use std::collections::BTreeSet;
use std::time::Duration;

use model::TraceContext;
use telemetry::trace::{self, TraceOptions};
use test_support::OtlpReceiver;
use test_support::otlp::{SpanRecord, Trace};

use crate::world::{CHUNK, CHUNKS, HUGE, SMALL, World, until};

const POST: &str = "00f067aa0ba902b7";

fn recorded(trace_id: &str) -> TraceContext {
    TraceContext(format!("00-{trace_id}-{POST}-01"))
}

fn chunks(trace: &Trace) -> BTreeSet<i64> {
    let chunks = trace.named("deliver chunk").into_iter();
    let done = chunks.filter(|chunk| !chunk.is_error && chunk.attributes.contains_key("rookery.delivery.written"));
    done.map(|chunk| chunk.count("rookery.chunk.number")).collect()
}

/// One test, since a process has one collector.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_and_chunks_go_on_in_their_traces() {
    let collector = OtlpReceiver::start().unwrap();
    let options = TraceOptions {
        service: "fan-out".to_owned(),
        version: "0",
        endpoint: collector.endpoint().to_owned(),
        sample_ratio: 0.0,
    };
    let exporting = trace::start(&options).unwrap();
    a_batch_is_linked_to_its_tweets(&collector).await;
    what_a_dead_process_leaves_goes_on_in_its_trace(&collector).await;
    exporting.flush(Duration::from_secs(30)).await;
}

async fn a_batch_is_linked_to_its_tweets(collector: &OtlpReceiver) {
    let world = World::new().await;
    let traces = ["a1".repeat(16), "a2".repeat(16)];
    let mut tweets = Vec::new();
    for trace_id in &traces {
        tweets.push(world.post_traced(SMALL, Some(recorded(trace_id))).await);
    }
    let ignored = TraceContext(format!("00-{}-{POST}-00", "a3".repeat(16)));
    world.post_traced(SMALL, Some(ignored)).await;
    world.post(SMALL).await;
    // All are there before somebody looks.
    let process = world.process();
    world.settled().await;
    process.drain().await;
    let ended = |spans: &[SpanRecord]| spans.iter().any(|span| span.name == "deliver batch");
    until(async || ended(&collector.spans())).await;
    until(async || traces.iter().all(|id| !collector.trace(id).spans().is_empty())).await;

    let spans = collector.spans();
    let batch = spans.iter().find(|span| span.name == "deliver batch").unwrap();
    assert_eq!(batch.count("messaging.batch.message_count"), 4);
    assert_eq!((&batch.parent_span_id, batch.links.len()), (&None, 2));
    let whole = collector.trace(&batch.trace_id);
    assert_eq!(whole.below(batch), ["push timelines", "record deliveries"].into());
    for (trace_id, tweet) in traces.iter().zip(&tweets) {
        let trace = collector.trace(trace_id);
        let deliver = trace.the("deliver tweet");
        assert_eq!(trace.spans().len(), 1, "what is done for all is done once");
        assert_eq!(deliver.parent_span_id.as_deref(), Some(POST));
        assert_eq!(deliver.text("rookery.tweet.id"), tweet.to_string());
        assert_eq!(deliver.count("rookery.delivery.written"), 3);
        assert_eq!(deliver.links.len(), 1);
        assert_eq!(
            (&deliver.links[0].trace_id, &deliver.links[0].span_id),
            (&batch.trace_id, &batch.span_id)
        );
        let back = batch
            .links
            .iter()
            .any(|link| link.trace_id == *trace_id && link.span_id == deliver.span_id);
        assert!(back, "{batch:#?}");
    }
    assert!(
        collector.trace(&"a3".repeat(16)).spans().is_empty(),
        "its post was not recorded"
    );
}

async fn what_a_dead_process_leaves_goes_on_in_its_trace(collector: &OtlpReceiver) {
    let world = World::new().await;
    let dead = world.process();
    let trace_id = "b1".repeat(16);
    let huge = world.post_traced(HUGE, Some(recorded(&trace_id))).await;
    dead.gate.wait_for(dead.workers()).await;
    // With the event, its plan and some chunks in its hands. The store is not opened anew: nobody gets the event again.
    dead.kill().await;
    let survivor = world.process();
    survivor.gate.open();
    until(async || world.is_finished(huge).await).await;
    until(async || chunks(&collector.trace(&trace_id)).len() == CHUNKS).await;

    let trace = collector.trace(&trace_id);
    let all: BTreeSet<i64> = (0..).take(CHUNKS).collect();
    assert_eq!(chunks(&trace), all, "{}", trace.as_text());
    for span in ["deliver tweet", "plan chunks", "deliver chunk"] {
        for span in trace.named(span) {
            assert_eq!(span.parent_span_id.as_deref(), Some(POST), "{}", trace.as_text());
        }
    }
    let done = trace
        .named("deliver chunk")
        .into_iter()
        .filter(|chunk| chunk.attributes.contains_key("rookery.delivery.written"));
    for chunk in done {
        assert_eq!(chunk.count("rookery.delivery.expected"), i64::try_from(CHUNK).unwrap());
        assert_eq!(trace.below(chunk), ["push timelines"].into());
    }
    let again = trace
        .named("deliver chunk")
        .into_iter()
        .filter(|chunk| chunk.count("rookery.chunk.tries") > 0);
    assert!(again.count() > 0, "some had been begun before:\n{}", trace.as_text());
}

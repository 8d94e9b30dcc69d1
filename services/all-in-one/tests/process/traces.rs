//! Traces of `rookery` alone, as a collector gets them.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::OtlpReceiver;
use test_support::otlp::{Manner, SpanRecord, Trace};

use crate::rookery::{Place, Rookery, run, text};

const ENDPOINT: &str = "ROOKERY__OTLP__ENDPOINT";
const STRATEGY: &str = "ROOKERY__TIMELINE__STRATEGY";

/// Enough for several chunks.
const FOLLOWERS: u64 = 25_000;

fn traced() -> (OtlpReceiver, Place) {
    let receiver = OtlpReceiver::start().unwrap();
    let place = Place::new().with(ENDPOINT, receiver.endpoint());
    (receiver, place)
}

/// Posts, and answers the id.
fn post(rookery: &Rookery, token: &str) -> String {
    let tweet = json!({"text": "where is my tweet?"});
    text(&rookery.ask("POST", "/v1/tweets", Some(token), Some(&tweet))["id"])
}

/// The request and what came of its event are there, whichever was sent first.
fn is_delivered(trace: &Trace) -> bool {
    let has = |name| !trace.named(name).is_empty();
    has("POST /v1/tweets") && has("publish event") && has("deliver tweet")
}

/// Ada, whom Bob follows, and Bob, who reads.
fn ada_and_bob(rookery: &Rookery) -> (String, String) {
    let ((ada_id, ada), (_, bob)) = (rookery.sign_up("ada"), rookery.sign_up("bob"));
    rookery.ask("PUT", &format!("/v1/users/me/following/{ada_id}"), Some(&bob), None);
    rookery.home(&bob);
    (ada, bob)
}

/// The trace begins with the request, and what was committed and published, and what came of it, is directly below.
#[track_caller]
fn assert_begins_with_post<'a>(trace: &'a Trace, below: &[&str]) -> &'a SpanRecord {
    let post = trace.the("POST /v1/tweets");
    assert_eq!((post.kind, &post.parent_span_id), ("SERVER", &None));
    assert_eq!(post.text("http.request.method"), "POST");
    assert_eq!(post.text("http.route"), "/v1/tweets");
    assert_eq!(post.text("url.path"), "/v1/tweets");
    assert_eq!(post.count("http.response.status_code"), 201);
    let expected = ["commit tweet", "publish event", "deliver tweet"];
    let expected = expected.iter().chain(below).copied().collect();
    assert_eq!(trace.below(post), expected, "{}", trace.as_text());
    assert!(trace.orphans().is_empty(), "{}", trace.as_text());
    assert_eq!(trace.the("publish event").kind, "PRODUCER");
    let deliver = trace.the("deliver tweet");
    assert_eq!(
        (deliver.kind, deliver.text("messaging.operation.type")),
        ("CONSUMER", "process")
    );
    deliver
}

#[test]
fn a_small_authors_tweet_is_one_trace_from_the_post_to_the_timelines() {
    let (receiver, place) = traced();
    let rookery = place.start();
    let (ada, _) = ada_and_bob(&rookery);
    let tweet = post(&rookery, &ada);
    let trace = receiver.block_until_traced(&tweet, is_delivered);
    let deliver = assert_begins_with_post(&trace, &[]);
    assert_eq!(trace.below(deliver), ["push timelines", "record deliveries"].into());
    assert_eq!(deliver.text("rookery.tweet.id"), tweet);
    assert_eq!(deliver.text("rookery.delivery.outcome"), "delivered");
    assert_eq!(deliver.count("rookery.delivery.expected"), 1);
    println!("{}", trace.as_text());
}

#[test]
fn a_huge_authors_tweet_is_one_trace_with_a_span_for_each_chunk() {
    let (receiver, place) = traced();
    let place = place.with(STRATEGY, "push");
    let lines: Vec<String> = (2..2 + FOLLOWERS).map(|follower| format!("{follower} 1")).collect();
    let file = place.file("graph", lines.join("\n"));
    place.run(&["import-graph", file.to_str().unwrap()]).succeeded();
    let rookery = place.start();
    let author = place.run(&["token", "--handle", "u1"]).succeeded();
    let tweet = post(&rookery, author.trim_end());
    let expected = |trace: &Trace| {
        let chunks = trace.named("deliver chunk");
        let counts = chunks.iter().map(|chunk| chunk.count("rookery.delivery.expected"));
        counts.sum::<i64>().unsigned_abs()
    };
    let trace = receiver.block_until_traced(&tweet, |trace| is_delivered(trace) && expected(trace) >= FOLLOWERS);
    let deliver = assert_begins_with_post(&trace, &["plan chunks", "deliver chunk"]);
    assert_eq!(deliver.text("rookery.delivery.outcome"), "planned");
    assert_eq!(expected(&trace), FOLLOWERS);
    let chunks = trace.named("deliver chunk");
    let numbers: Vec<i64> = chunks.iter().map(|chunk| chunk.count("rookery.chunk.number")).collect();
    let all: Vec<i64> = (0..).take(numbers.len()).collect();
    let mut sorted = numbers;
    sorted.sort_unstable();
    assert!(sorted == all && all.len() >= 3, "{}", trace.as_text());
    // One span for each chunk, and none for a follower.
    assert!(trace.spans().len() < 20, "{}", trace.as_text());
    println!("{}", trace.as_text());
}

#[test]
fn a_pulled_authors_tweet_ends_with_its_record() {
    let (receiver, place) = traced();
    let place = place.with(STRATEGY, "pull");
    let rookery = place.start();
    let (ada, bob) = ada_and_bob(&rookery);
    let tweet = post(&rookery, &ada);
    let trace = receiver.block_until_traced(&tweet, is_delivered);
    let deliver = assert_begins_with_post(&trace, &[]);
    assert_eq!(trace.below(deliver), ["record deliveries"].into());
    assert_eq!(deliver.text("rookery.delivery.outcome"), "left_to_readers");
    assert_eq!(deliver.text("rookery.delivery.mode"), "pull");
    assert_eq!(rookery.home(&bob).len(), 1);
    let reads = |spans: &[SpanRecord]| spans.iter().any(|span| span.name == "GET /v1/timelines/home");
    receiver.block_until(reads);
}

#[test]
fn a_client_decides_whether_its_trace_is_recorded() {
    let (receiver, place) = traced();
    let place = place.with("ROOKERY__OTLP__SAMPLE_RATIO", "0");
    let rookery = place.start();
    let (ada, _) = ada_and_bob(&rookery);
    let tweet = json!({"text": "traced by its client"});
    for (trace, flags) in [("a", "00"), ("b", "01")] {
        let header = format!("traceparent: 00-{}-00f067aa0ba902b7-{flags}", trace.repeat(32));
        let (status, _) = rookery.request_with(&[&header], "POST", "/v1/tweets", Some(&ada), Some(&tweet));
        assert_eq!(status, 201);
    }
    receiver.block_until(|_| is_delivered(&receiver.trace(&"b".repeat(32))));
    let trace = receiver.trace(&"b".repeat(32));
    assert_eq!(
        trace.the("POST /v1/tweets").parent_span_id.as_deref(),
        Some("00f067aa0ba902b7")
    );
    assert_eq!(
        trace.spans().len(),
        receiver.spans().len(),
        "and nothing else is recorded"
    );
}

#[test]
fn the_last_spans_are_sent_when_it_is_told_to_end() {
    let (receiver, place) = traced();
    let rookery = place.start();
    let (ada, _) = ada_and_bob(&rookery);
    let tweet = post(&rookery, &ada);
    rookery.terminate();
    assert_eq!(rookery.wait().code(), Some(0));
    let trace = receiver
        .trace_of_tweet(&tweet)
        .expect("its spans have come before the end");
    assert_begins_with_post(&trace, &[]);
}

#[test]
fn the_last_spans_are_sent_when_it_cannot_start() {
    let (receiver, place) = traced();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    run(place.command().env("ROOKERY__HTTP__ADDR", address)).failed_with(69);
    let spans = receiver.spans();
    let [start] = &spans[..] else { panic!("{spans:#?}") };
    assert_eq!((&*start.name, start.is_error), ("start", true));
    assert_eq!(start.text("error.type"), "exit_69");
}

/// The value of a counter that `/metrics` tells.
fn counter(rookery: &Rookery, line: &str) -> u64 {
    let mut curl = std::process::Command::new("curl");
    let metrics = run(curl.args(["-sS", &format!("{}/metrics", rookery.internal_url())])).succeeded();
    let mut lines = metrics.lines();
    let value = lines.find_map(|told| told.strip_prefix(line)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().unwrap())
}

/// Posts, reads and the end are as ever, and what the collector does not get is counted.
fn nothing_else_changes(place: &Place) {
    let rookery = place.start();
    let (ada, bob) = ada_and_bob(&rookery);
    for _ in 0..5 {
        post(&rookery, &ada);
    }
    let give_up = Instant::now() + Duration::from_mins(1);
    let dropped = "rookery_spans_dropped_total{reason=\"not_taken\"}";
    while counter(&rookery, dropped) == 0 || rookery.home(&bob).len() < 5 {
        assert!(Instant::now() < give_up, "{}", rookery.log());
        thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(counter(&rookery, "rookery_spans_exported_total"), 0);
    assert!(
        rookery.log().contains("the collector takes no spans"),
        "{}",
        rookery.log()
    );
    rookery.terminate();
    assert_eq!(rookery.wait().code(), Some(0));
}

#[test]
fn a_collector_that_refuses_changes_nothing_else() {
    let (receiver, place) = traced();
    receiver.behave(Manner::Refuse);
    nothing_else_changes(&place);
    assert!(receiver.requests() > 0);
}

#[test]
fn a_collector_that_hangs_changes_nothing_else() {
    let (receiver, place) = traced();
    receiver.behave(Manner::Hang);
    nothing_else_changes(&place);
    assert!(receiver.requests() > 0);
}

#[test]
fn a_collector_that_is_down_changes_nothing_else() {
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    nothing_else_changes(&Place::new().with(ENDPOINT, format!("http://{nobody}")));
}

//! A tweet's trace goes through the load balancer, all services and their stores, and through a crash.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use model::{Strategy, TweetId};
use reqwest::Method;
use test_support::client::TweetBody;
use test_support::otlp::{SpanRecord, Trace};
use test_support::{Client, OtlpReceiver, Part, Request, Rules, Stop, System};

use crate::support::{Person, TestStack, follow, person, post};

/// Followers of the huge author: enough for several chunks.
const FOLLOWERS: u64 = 25_000;
const PATIENCE: Duration = Duration::from_mins(1);

/// The trace of a tweet, once it has all of this.
async fn trace_of(receiver: &OtlpReceiver, tweet: TweetId, is_whole: impl Fn(&Trace) -> bool) -> Trace {
    let (begun, id) = (Instant::now(), tweet.to_string());
    loop {
        match receiver.trace_of_tweet(&id) {
            Some(trace) if is_whole(&trace) => return trace,
            trace => assert!(
                begun.elapsed() < PATIENCE,
                "the trace is not whole:\n{}",
                trace.map(|trace| trace.as_text()).unwrap_or_default()
            ),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The request and what came of its event are there, and whatever has ended so far is whole.
fn is_delivered(trace: &Trace) -> bool {
    let has = |name| !trace.named(name).is_empty();
    let mut clients = trace.spans().iter().filter(|span| span.kind == "CLIENT");
    let is_answered = |client: &SpanRecord| !trace.below(client).is_empty();
    let all = ["POST /v1/tweets", "publish event", "deliver tweet"]
        .into_iter()
        .all(has);
    all && clients.all(is_answered) && trace.orphans().is_empty()
}

fn by<'a>(span: &'a SpanRecord, service: &str) -> &'a SpanRecord {
    assert_eq!(span.service, service, "{span:#?}");
    span
}

/// Begins with the request that the load balancer handed on; committed, published and delivered within it.
fn assert_begins_with_post(trace: &Trace) {
    let post = by(trace.the("POST /v1/tweets"), "tweet-ingest");
    assert_eq!((post.kind, &post.parent_span_id), ("SERVER", &None));
    let below = trace.below(post);
    for name in ["commit tweet", "publish event", "deliver tweet"] {
        assert!(below.contains(name), "{name}\n{}", trace.as_text());
    }
    assert!(trace.orphans().is_empty(), "{}", trace.as_text());
}

/// What one service asked another: client span and server span, the one within the other, in two processes.
fn assert_asked(trace: &Trace, parent: &SpanRecord, path: &str) {
    let name = format!("POST {path}");
    let is_client =
        |span: &&&SpanRecord| span.kind == "CLIENT" && span.parent_span_id.as_ref() == Some(&parent.span_id);
    let spans = trace.named(&name);
    let client = spans.iter().find(is_client);
    let client = by(
        client.unwrap_or_else(|| panic!("{name}\n{}", trace.as_text())),
        "fan-out",
    );
    let is_server =
        |span: &&&SpanRecord| span.kind == "SERVER" && span.parent_span_id.as_ref() == Some(&client.span_id);
    let server = spans.iter().find(is_server);
    let server = by(
        server.unwrap_or_else(|| panic!("{name}\n{}", trace.as_text())),
        "follow-graph",
    );
    assert_eq!(
        (client.count("http.response.status_code"), server.text("http.route")),
        (200, path)
    );
    assert_ne!(client.instance, server.instance);
}

fn token(graph: &Part, number: u64) -> String {
    let output = graph
        .command()
        .args(["token", "--handle", &format!("u{number}")])
        .output();
    String::from_utf8_lossy(&output.unwrap().stdout).trim().to_owned()
}

fn import_followers_of_1(running: &TestStack) {
    let file = running.folder().join("graph");
    let lines: Vec<String> = (2..2 + FOLLOWERS).map(|follower| format!("{follower} 1")).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let graph = running.stack.part("follow-graph", 0);
    let imported = graph.command().arg("import-graph").arg(&file).output().unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
}

fn expected(trace: &Trace) -> u64 {
    let chunks = trace.named("deliver chunk").into_iter();
    chunks
        .map(|chunk| chunk.count("rookery.delivery.expected").unsigned_abs())
        .sum()
}

async fn small_author(client: &Client, receiver: &OtlpReceiver, ada: &Person) {
    let tweet = post(client, ada, "small").await;
    let trace = trace_of(receiver, tweet, is_delivered).await;
    println!("a small author's tweet:\n{}", trace.as_text());
    assert_begins_with_post(&trace);
    let deliver = by(trace.the("deliver tweet"), "fan-out");
    assert_eq!(
        (deliver.kind, deliver.text("rookery.delivery.outcome")),
        ("CONSUMER", "delivered")
    );
    assert_eq!(deliver.count("rookery.delivery.expected"), 1);
    assert_asked(&trace, deliver, "/internal/v1/followers");
    let below = trace.below(deliver);
    assert!(
        below.contains("push timelines") && below.contains("record deliveries"),
        "{}",
        trace.as_text()
    );
}

async fn huge_author(running: &TestStack, client: &Client, receiver: &OtlpReceiver) {
    import_followers_of_1(running);
    let author = token(running.stack.part("follow-graph", 0), 1);
    let posted = client.post(&author, "t", None, "huge").await.unwrap();
    let tweet = posted.parse::<TweetBody>().unwrap().id;
    let trace = trace_of(receiver, tweet, |trace| {
        is_delivered(trace) && expected(trace) >= FOLLOWERS
    })
    .await;
    println!("a huge author's tweet:\n{}", trace.as_text());
    assert_begins_with_post(&trace);
    let post = trace.the("POST /v1/tweets");
    assert_eq!(trace.the("deliver tweet").text("rookery.delivery.outcome"), "planned");
    let plan = by(trace.the("plan chunks"), "fan-out");
    assert_asked(&trace, plan, "/internal/v1/chunks");
    let chunks = trace.named("deliver chunk");
    let numbers: BTreeSet<i64> = chunks.iter().map(|chunk| chunk.count("rookery.chunk.number")).collect();
    assert_eq!(
        (numbers.len(), expected(&trace)),
        (chunks.len(), FOLLOWERS),
        "{}",
        trace.as_text()
    );
    for chunk in chunks {
        assert_eq!(chunk.parent_span_id.as_ref(), Some(&post.span_id));
        assert_asked(&trace, chunk, "/internal/v1/followers");
    }
}

async fn pulled_author(running: &TestStack, client: &Client, receiver: &OtlpReceiver, ada: &Person) {
    let rules = Rules {
        strategy: Strategy::Pull,
        pull_threshold: 10_000,
        push_threshold: 8_000,
    };
    running.stack.set_rules(rules).await.unwrap();
    let begun = Instant::now();
    for number in 0.. {
        let tweet = post(client, ada, &format!("pulled-{number}")).await;
        let trace = trace_of(receiver, tweet, is_delivered).await;
        assert_begins_with_post(&trace);
        let deliver = trace.the("deliver tweet");
        if deliver.text("rookery.delivery.mode") == "pull" {
            println!("a pulled author's tweet:\n{}", trace.as_text());
            assert_eq!(deliver.text("rookery.delivery.outcome"), "left_to_readers");
            assert!(trace.named("push timelines").is_empty(), "{}", trace.as_text());
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "the author is not pulled");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// How many events are in the hands of workers, dead or alive.
fn in_hand(running: &TestStack) -> u64 {
    let of_stream = |partition: u32| {
        let mut pending = Command::new("redis-cli");
        let stream = format!("events{{{partition}}}");
        pending.args(["-u", running.stack.redis_url(), "--raw", "XPENDING", &stream, "fan-out"]);
        let told = String::from_utf8_lossy(&pending.output().unwrap().stdout).into_owned();
        told.lines()
            .next()
            .and_then(|count| count.parse::<u64>().ok())
            .unwrap_or(0)
    };
    (0..8).map(of_stream).sum()
}

/// Stops a worker that has the event of a tweet, and nobody else is there to take it. What it waits for when it is stopped it
/// still gets; it may just not have been waiting.
async fn in_hands_of(running: &TestStack, client: &Client, worker: &Part, author: &Person) -> TweetId {
    let begun = Instant::now();
    for number in 0.. {
        worker.pause().unwrap();
        let tweet = post(client, author, &format!("in-hand-{number}")).await;
        for _ in 0..25 {
            if in_hand(running) > 0 {
                return tweet;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        worker.resume().unwrap();
        running.stack.settle(&[tweet]).await.unwrap();
        assert!(begun.elapsed() < PATIENCE, "it never waits");
    }
    unreachable!("numbers don't end")
}

/// The event is in the hands of a worker that is killed, and goes on in its trace with another.
async fn killed_worker(running: &TestStack, client: &Client, receiver: &OtlpReceiver, ada: &Person) {
    let (killed, other) = (running.stack.part("fan-out", 0), running.stack.part("fan-out", 1));
    other.end(Stop::Graceful).await.unwrap();
    let first = post(client, ada, "before-the-kill").await;
    let trace = trace_of(receiver, first, is_delivered).await;
    let instance = trace.the("deliver tweet").instance.clone();
    let tweet = in_hands_of(running, client, killed, ada).await;
    killed.end(Stop::Abrupt).await.unwrap();
    other.start().unwrap();
    other.wait_ready().await.unwrap();
    running.stack.settle(&[tweet]).await.unwrap();
    let trace = trace_of(receiver, tweet, is_delivered).await;
    println!("a tweet whose worker was killed:\n{}", trace.as_text());
    assert_begins_with_post(&trace);
    let deliver = by(trace.the("deliver tweet"), "fan-out");
    assert_ne!(deliver.instance, instance, "the other one has delivered it");
    assert_eq!(deliver.text("rookery.tweet.id"), tweet.to_string());
    killed.start().unwrap();
    running.stack.wait_ready().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tweet_is_one_trace_whoever_delivers_it() {
    let receiver = OtlpReceiver::start().unwrap();
    let settings = [("ROOKERY__OTLP__ENDPOINT", receiver.endpoint())];
    let Some(running) = TestStack::up(&["--strategy", "push"], &settings).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (ada, bob) = (person(&client, "ada").await, person(&client, "bob").await);
    follow(&client, &bob, &ada).await;
    let home = Request::new(Method::GET, "/v1/timelines/home").token(Some(&bob.token));
    running.stack.public().send(home).await.unwrap().expect(200).unwrap();

    small_author(&client, &receiver, &ada).await;
    killed_worker(&running, &client, &receiver, &ada).await;
    huge_author(&running, &client, &receiver).await;
    pulled_author(&running, &client, &receiver, &ada).await;
    let homes = receiver.spans();
    let home = homes.iter().find(|span| span.name == "GET /v1/timelines/home");
    by(home.expect("reads are traced too"), "timeline-read");
}

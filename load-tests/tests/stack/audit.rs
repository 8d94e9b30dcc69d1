//! Stored timelines of the production stores: audited by any replica, and computed anew by a command, while all serve.

use std::future::ready;
use std::ops::Range;
use std::pin::pin;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Client, Plan, Request, System, generate, run};

use crate::support::{Person, TestStack, follow, person, post};

/// How often is looked whether a timeline is stored, and the pause in between.
const LOOKS: u32 = 200;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

fn redis(running: &TestStack, arguments: &[&str]) -> Output {
    let mut command = Command::new("redis-cli");
    command.args(["-u", running.stack.redis_url(), "--raw"]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// The keys of stored timelines of a user, of whatever life of the server.
fn keys(running: &TestStack, user: &Person) -> Vec<String> {
    let found = redis(running, &["KEYS", &format!("t{{{}}}:*", user.id)]);
    let text = String::from_utf8(found.stdout).unwrap();
    text.lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect()
}

async fn audit(running: &TestStack) -> Value {
    audit_by(running, 1).await
}

/// What an audit of everybody answers.
async fn audit_by(running: &TestStack, replica: u32) -> Value {
    let replica = running.stack.part("timeline-read", replica);
    let request = Request::new(Method::POST, "/admin/audit").token(running.stack.operator().token.as_deref());
    let answer = replica
        .internal()
        .send(request.body(json!({"users": 1_000})))
        .await
        .unwrap();
    answer.expect(200).unwrap().body
}

/// Waits until the reader's timeline is stored.
async fn stored(running: &TestStack, client: &Client, reader: &Person) {
    for _ in 0..LOOKS {
        client.scroll(&reader.token, 20).await.unwrap();
        if audit(running).await["compared"] == 1 {
            return;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    panic!("it is never stored\n{}", running.tell());
}

fn rebuild(running: &TestStack, whose: &[&str]) -> (Option<i32>, String) {
    let mut command = running.stack.part("timeline-read", 0).command();
    let output = command.arg("rebuild").args(whose).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn report(missing: u64, extra: u64, repaired: u64) -> Value {
    json!({"compared": 1, "missing": missing, "extra": extra, "repaired": repaired})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spoilt_timeline_is_mended_by_an_audit_and_by_a_rebuild() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (ada, bob) = (person(&client, "ada").await, person(&client, "bob").await);
    follow(&client, &ada, &bob).await;
    stored(&running, &client, &ada).await;
    let mut posted = Vec::new();
    for key in ["first", "second", "third"] {
        posted.insert(0, post(&client, &bob, key).await);
    }
    running.stack.settle(&posted).await.unwrap();
    assert_eq!(audit(&running).await, report(0, 0, 0), "{}", running.tell());

    // All entries are lost, and the header with its mark stays.
    let truncate = |key: &String| {
        let script = "redis.call('SET', KEYS[1], string.sub(redis.call('GET', KEYS[1]), 1, 56), 'KEEPTTL')";
        redis(&running, &["EVAL", script, "1", key]);
    };
    // What is delivered is settled a little later, and an audit speaks of what is settled.
    let mut found = Value::Null;
    for _ in 0..LOOKS {
        keys(&running, &ada).iter().for_each(truncate);
        let home = client.scroll(&ada.token, 20).await.unwrap();
        assert_eq!(home, [], "this is what nobody would notice");
        found = audit(&running).await;
        if found == report(3, 0, 1) {
            break;
        }
    }
    assert_eq!(found, report(3, 0, 1), "{}", running.tell());
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), posted);
    assert_eq!(audit(&running).await, report(0, 0, 0), "{}", running.tell());

    for whose in [&["--all"][..], &["--user", "ada"]] {
        keys(&running, &ada).iter().for_each(truncate);
        assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), []);
        let (code, said) = rebuild(&running, whose);
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains("computed anew"), "{said}");
        assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), posted, "{said}");
    }
    for key in keys(&running, &ada) {
        redis(&running, &["SET", &key, "no timeline"]);
    }
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), posted, "it is a cache");
    let (code, said) = rebuild(&running, &["--user", "bob"]);
    assert!(code == Some(0) && said.contains("nothing to compute anew"), "{said}");
    assert_eq!(rebuild(&running, &["--user", "nobody"]).0, Some(67));
    assert_eq!(rebuild(&running, &[]).0, Some(64));
}

/// Windows far smaller than a timeline, and thresholds that a few follows cross.
const SETTINGS: [(&str, &str); 3] = [
    ("ROOKERY__TIMELINE__WINDOW", "20"),
    ("ROOKERY__TIMELINE__PULL_THRESHOLD", "3"),
    ("ROOKERY__TIMELINE__PUSH_THRESHOLD", "2"),
];

const HISTORIES: Range<u64> = 5_000..5_024;
const AT_A_TIME: usize = 6;

const PLAN: Plan = Plan {
    steps: 60,
    seats: 5,
    rules_change: true,
    restarts: false,
    holds: false,
};

/// Both replicas audit everybody, again and again, while histories run and cross the thresholds in both directions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audits_find_no_difference_on_the_stack() {
    let Some(running) = TestStack::up(&["--strategy", "hybrid"], &SETTINGS).await else {
        return;
    };
    let over = AtomicBool::new(false);
    let histories = async {
        let failures = stream::iter(HISTORIES)
            .map(async |seed| run(&running.stack, &generate(seed, PLAN)).await.err())
            .buffer_unordered(AT_A_TIME)
            .filter_map(ready);
        let failure = pin!(failures).next().await;
        over.store(true, Ordering::Relaxed);
        assert!(failure.is_none(), "{failure:?}\n{}", running.tell());
    };
    let auditing = async |replica: u32| {
        let mut compared = 0;
        while !over.load(Ordering::Relaxed) {
            let found = audit_by(&running, replica).await;
            let differences = json!([found["missing"], found["extra"], found["repaired"]]);
            assert_eq!(differences, json!([0, 0, 0]), "{found} {}", running.tell());
            compared += found["compared"].as_u64().unwrap();
        }
        compared
    };
    let ((), one, other) = tokio::join!(histories, auditing(0), auditing(1));
    assert!(one > 0 && other > 0, "{one} and {other} timelines were compared");
}

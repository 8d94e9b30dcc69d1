//! An event that was set aside: its tweet is read all the same, and delivered when an operator says so.

use std::process::Command;
use std::time::Duration;

use serde_json::json;
use test_support::{Client, Stop, System};

use crate::support::{TestStack, follow, person, post};

/// How often a timeline is looked at, and the pause in between: those who sweep look every ten seconds.
const LOOKS: u32 = 300;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What `redis-cli` answers, line by line.
fn redis(running: &TestStack, arguments: &[&str]) -> Vec<String> {
    let mut command = Command::new("redis-cli");
    let output = command.args(["-u", running.stack.redis_url(), "--raw"]).args(arguments);
    let output = output.output().unwrap();
    let answer = String::from_utf8(output.stdout).unwrap();
    let lines = answer.lines().filter(|line| !line.is_empty());
    lines.map(str::to_owned).collect()
}

/// Sets the one event aside that is in the streams, as a worker does that it has ended too often.
fn set_the_event_aside(running: &TestStack) {
    for stream in redis(running, &["KEYS", "events{*"]) {
        // The id of the entry, and its fields.
        let entry = redis(running, &["XRANGE", &stream, "-", "+"]);
        let [id, format, version, event, told] = &entry[..] else {
            assert!(entry.is_empty(), "{entry:?}");
            continue;
        };
        let kept = json!({"entry": id, "reason": "poison", "tries": 5, "fields": [[format, version], [event, told]]});
        let mut parts = told.split(' ');
        let name = format!("{}-{}", parts.next().unwrap(), parts.next().unwrap());
        let aside = stream.replace("events", "events-poison");
        assert_eq!(redis(running, &["HSET", &aside, &name, &kept.to_string()]), ["1"]);
        assert_eq!(redis(running, &["XDEL", &stream, id]), ["1"]);
        return;
    }
    panic!("there is no event in the streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tweet_whose_event_is_set_aside_is_read_all_the_same() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (ada, bob) = (person(&client, "ada").await, person(&client, "bob").await);
    follow(&client, &ada, &bob).await;
    let first = post(&client, &bob, "first").await;
    running.stack.settle(&[first]).await.unwrap();
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), [first]);

    for part in running.stack.replicas("fan-out") {
        part.end(Stop::Graceful).await.unwrap();
    }
    let aside = post(&client, &bob, "second").await;
    set_the_event_aside(&running);
    for part in running.stack.replicas("fan-out") {
        part.start().unwrap();
    }
    running.stack.wait_ready().await.unwrap();
    let last = post(&client, &bob, "third").await;
    running.stack.settle(&[last]).await.unwrap();
    let mut home = Vec::new();
    for _ in 0..LOOKS {
        home = client.scroll(&ada.token, 20).await.unwrap();
        if home == [last, aside, first] {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    assert_eq!(home, [last, aside, first], "{}", running.tell());

    let mut replay = running.stack.part("fan-out", 0).command();
    assert!(replay.args(["poison", "replay"]).status().unwrap().success());
    running.stack.settle(&[aside]).await.unwrap();
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), [last, aside, first]);
}

//! Workers of fan-out that die with work in hand, and work that nobody can do.

use std::fs;
use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use model::TweetId;
use reqwest::Method;
use serde_json::Value;
use test_support::client::TweetBody;
use test_support::{Client, Part, Request, Stop, System};

use crate::books;
use crate::faults::{SETTLED_WITHIN, under_load_for};
use crate::support::TestStack;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_killed_worker_had_in_hand_is_delivered_by_others() {
    let name = "kill -9 of a worker of fan-out";
    under_load_for(Duration::from_secs(8), name, &[], &[], async |running, ledger| {
        let worker = running.stack.part("fan-out", 0);
        // What it has in hand stays there.
        worker.pause()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let accepted = ledger.tweets();
        let killed = Instant::now();
        worker.end(Stop::Abrupt).await?;
        running.stack.settle(&accepted).await.map_err(io::Error::other)?;
        let took = killed.elapsed();
        println!("{name}: its last tweet was delivered after {took:.1?}");
        assert!(took < SETTLED_WITHIN);
        worker.start()?;
        running.stack.wait_ready().await
    })
    .await;
}

/// Entries that no build understands, one for each of the first streams.
const BROKEN: [&[&str]; 5] = [
    &["format", "1", "event", "{\"no\": "],
    &["format", "99", "event", "of a later version"],
    &["what", "is this"],
    // Positions that no store can hold.
    &["format", "1", "event", "1 18446744073709551615 accepted 7 2 -"],
    &["format", "99", "event", "1 18446744073709551615 x"],
];

/// What `fan-out poison list`, or `replay`, prints last.
fn poison(worker: &Part, action: &str) -> io::Result<String> {
    let output = worker.command().args(["poison", action]).output()?;
    let told = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        return Ok(told.lines().last().unwrap_or_default().to_owned());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn broken_events_are_set_aside_and_hold_up_no_other() {
    let name = "broken events";
    under_load_for(Duration::from_secs(8), name, &[], &[], async |running, ledger| {
        for (partition, fields) in BROKEN.iter().enumerate() {
            let stream = format!("events{{{partition}}}");
            let mut add = Command::new("redis-cli");
            add.args(["-u", running.stack.redis_url(), "XADD", &stream, "*"])
                .args(*fields);
            assert!(add.output()?.status.success());
        }
        let workers: Vec<&Part> = running.stack.replicas("fan-out").collect();
        // Those who sweep meet them too.
        let readers = || workers.iter().copied().chain(running.stack.replicas("tweet-ingest"));
        let pids: Vec<Option<u32>> = readers().map(Part::pid).collect();
        let begun = Instant::now();
        while poison(workers[0], "list")? != format!("events set aside: {}", BROKEN.len()) {
            assert!(begun.elapsed() < SETTLED_WITHIN, "they are not set aside");
        }
        running.stack.settle(&ledger.tweets()).await.map_err(io::Error::other)?;
        assert_eq!(poison(workers[0], "replay")?, "events set aside: 0");
        running.stack.wait_ready().await?;
        let same: Vec<Option<u32>> = readers().map(Part::pid).collect();
        assert_eq!(same, pids, "none had to be started again");
        Ok(())
    })
    .await;
}

/// Followers of the huge author: enough for several chunks.
const FOLLOWERS: u64 = 25_000;
/// Those of them that read.
const READERS: [u64; 3] = [2, 12_000, 25_001];
const TWEETS: usize = 6;

/// A token for an account that was imported.
fn token(graph: &Part, number: u64) -> io::Result<String> {
    let output = graph
        .command()
        .args(["token", "--handle", &format!("u{number}")])
        .output()?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The books of a tweet.
async fn delivery(running: &TestStack, tweet: TweetId) -> Value {
    let operator = running.stack.operator();
    let path = format!("/admin/tweets/{tweet}/delivery");
    let request = Request::new(Method::GET, path).token(operator.token.as_deref());
    operator.fan_out.send(request).await.unwrap().body
}

async fn home(client: &Client, token: &str) -> Vec<TweetId> {
    client.scroll(token, 20).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_chunks_of_a_huge_author_survive_a_worker() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let graph = running.stack.part("follow-graph", 0);
    let file = running.folder().join("graph");
    let lines: Vec<String> = (2..2 + FOLLOWERS).map(|follower| format!("{follower} 1")).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let imported = graph.command().arg("import-graph").arg(&file).output().unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );

    let client = Client::new(running.stack.public());
    let author = token(graph, 1).unwrap();
    let readers = READERS.map(|number| token(graph, number).unwrap());
    for reader in &readers {
        assert_eq!(home(&client, reader).await, [], "now it has a timeline");
    }
    let mut tweets = Vec::new();
    for number in 0..TWEETS {
        let posted = client.post(&author, "t", None, &format!("key-{number}")).await.unwrap();
        tweets.push(posted.parse::<TweetBody>().unwrap().id);
    }
    let worker = running.stack.part("fan-out", 0);
    worker.end(Stop::Abrupt).await.unwrap();
    let mut pending = 0;
    for tweet in &tweets {
        pending += usize::from(delivery(&running, *tweet).await["state"] == "pending");
    }
    println!("kill -9 of a worker on chunks: {pending} of {TWEETS} tweets were in the middle");
    running.stack.settle(&tweets).await.unwrap();
    worker.start().unwrap();
    running.stack.wait_ready().await.unwrap();

    for tweet in &tweets {
        let record = delivery(&running, *tweet).await;
        let figures = ["expected", "written"].map(|name| record[name].as_u64());
        assert_eq!(figures, [Some(FOLLOWERS), Some(READERS.len() as u64)], "{record}");
    }
    let books = books::assert_balanced(&running).await;
    let expected = FOLLOWERS * TWEETS as u64;
    assert_eq!(books.deliveries("expected"), expected, "each chunk counts once");
    tweets.reverse();
    for reader in &readers {
        assert_eq!(home(&client, reader).await, tweets);
    }
}

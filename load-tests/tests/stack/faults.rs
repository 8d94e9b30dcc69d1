//! Under a steady load every process is killed, and every store. Afterwards every acknowledged tweet is in every timeline
//! that it belongs to, once, and the books agree.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use load_tests::ledger::{Ledger, LedgerOptions, Report};
use model::TweetId;
use test_support::client::HomePage;
use test_support::{Client, PageQuery, SERVICES, Stop, System};

use crate::books;
use crate::fault::{self, Fault};
use crate::support::{Person, TestStack, follow, person, post};

const LOAD: LedgerOptions = LedgerOptions {
    accounts: 16,
    follows: 5,
    posts_per_second: 25.0,
    reads_per_second: 25.0,
    seed: 7,
};

/// The promise, and as much again for a machine that has much else to do: a timing is not what is tested here.
pub(crate) const SETTLED_WITHIN: Duration = Duration::from_secs(30);

/// Runs the load for 8 seconds while `fault` goes on; then compares every timeline with the ledger.
async fn under_load(name: &str, fault: impl AsyncFnOnce(&TestStack) -> io::Result<()>) {
    let fault = async |running: &TestStack, _: &Ledger| fault(running).await;
    under_load_for(Duration::from_secs(8), name, &[], &[], fault).await;
}

/// Runs the load for so long while `fault` goes on, on a stack with these options and settings; then compares every timeline
/// with the ledger. Answers what the load came to.
pub(crate) async fn under_load_for(
    duration: Duration,
    name: &str,
    options: &[&str],
    settings: &[(&str, &str)],
    fault: impl AsyncFnOnce(&TestStack, &Ledger) -> io::Result<()>,
) -> Option<Report> {
    let settings = [&[("ROOKERY__TIMELINE__PULL_THRESHOLD", "12")], settings].concat();
    let options = [&["--strategy", "hybrid"], options].concat();
    let running = TestStack::up(&options, &settings).await?;
    let ledger = Ledger::prepare(running.stack.public(), LOAD).await.unwrap();
    // Timelines are there, so that there is something to lose.
    ledger.run(Duration::from_secs(2)).await.unwrap();
    ledger
        .verify(SETTLED_WITHIN)
        .await
        .unwrap_or_else(|error| panic!("before {name}: {error}\n{}", running.tell()));
    let loading = tokio::spawn({
        let ledger = Arc::clone(&ledger);
        async move { ledger.run(duration).await }
    });
    tokio::time::sleep(Duration::from_secs(2)).await;
    fault(&running, &ledger).await.unwrap();
    let report: Report = loading
        .await
        .unwrap()
        .unwrap_or_else(|error| panic!("{name}: {error}\n{}", running.tell()));
    let took = ledger
        .verify(SETTLED_WITHIN)
        .await
        .unwrap_or_else(|error| panic!("after {name}: {error}\n{}", running.tell()));
    assert_eq!(
        report.without_retry_after, 0,
        "after {name}: a 503 says when to come again"
    );
    books::assert_balanced(&running).await;
    println!(
        "{name}: {} tweets, all there after {took:.1?}; {report}",
        ledger.acknowledged()
    );
    Some(report)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_one_service_after_the_other_loses_nothing() {
    under_load("kill -9 of one service after the other", async |running| {
        for name in SERVICES {
            Fault::Kill(name).befall(&running.stack).await?;
        }
        Ok(())
    })
    .await;
}

async fn loses_nothing(fault: Fault) {
    under_load(&fault.to_string(), async |running| fault.befall(&running.stack).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_all_services_at_once_loses_nothing() {
    loses_nothing(Fault::KillServices).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_postgres_loses_nothing() {
    loses_nothing(Fault::Kill("postgres")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_redis_with_its_data_loses_nothing() {
    loses_nothing(Fault::Kill("redis")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_coming_back_with_nothing_loses_nothing() {
    loses_nothing(Fault::EmptyRedis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_coming_back_with_an_older_file_loses_nothing() {
    loses_nothing(Fault::OlderRedis).await;
}

/// Its timelines, tweets, streams and groups of consumers are on three nodes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_a_redis_cluster_coming_back_with_nothing_loses_nothing() {
    let (duration, name) = (
        Duration::from_secs(8),
        "kill -9 of a node of a Redis cluster and its data",
    );
    under_load_for(duration, name, &["--redis-cluster"], &[], async |running, _| {
        let node = running.stack.part("redis", 1);
        node.end(Stop::Abrupt).await?;
        fault::forget_data(node)?;
        node.start()?;
        running.stack.wait_ready().await
    })
    .await;
}

/// Timelines are derived data: while their store is away, they are put together from the tweets, more slowly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_tweets_are_taken_and_timelines_read() {
    let Some(running) = TestStack::up(&["--strategy", "hybrid"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (reader, author) = (person(&client, "reader").await, person(&client, "author").await);
    follow(&client, &reader, &author).await;
    let mut tweets = vec![post(&client, &author, "before").await];
    assert_eq!(home(&client, &reader).await, tweets);

    let redis = running.stack.part("redis", 0);
    redis.end(Stop::Abrupt).await.unwrap();
    for number in 0..3 {
        tweets.push(post(&client, &author, &format!("away-{number}")).await);
        assert_eq!(home(&client, &reader).await, tweets, "{}", running.tell());
    }
    redis.start().unwrap();
    running.stack.wait_ready().await.unwrap();
    // One that is stopped keeps its connections, and says nothing.
    redis.pause().unwrap();
    assert_eq!(home(&client, &reader).await, tweets, "{}", running.tell());
    for number in 0..3 {
        tweets.push(post(&client, &author, &format!("silent-{number}")).await);
        assert_eq!(home(&client, &reader).await, tweets, "{}", running.tell());
    }
    redis.resume().unwrap();
    running.stack.settle(&tweets).await.unwrap();
    assert_eq!(home(&client, &reader).await, tweets);
}

/// Built timelines need no follow-graph, and posts need none at all.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_follow_graph_is_away_tweets_are_taken_and_built_timelines_read() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (reader, author) = (person(&client, "reader").await, person(&client, "author").await);
    follow(&client, &reader, &author).await;
    let before = post(&client, &author, "before").await;
    running.stack.settle(&[before]).await.unwrap();
    assert_eq!(home(&client, &reader).await, [before]);

    for part in running.stack.replicas("follow-graph") {
        part.end(Stop::Abrupt).await.unwrap();
    }
    let mut tweets = vec![before];
    for number in 0..3 {
        tweets.push(post(&client, &author, &format!("away-{number}")).await);
        let shown = home(&client, &reader).await;
        // Who follows the author may be known to fan-out, or not.
        assert!(
            tweets.starts_with(&shown) && !shown.is_empty(),
            "{shown:?} of {tweets:?}"
        );
    }
    for part in running.stack.replicas("follow-graph") {
        part.start().unwrap();
    }
    running.stack.wait_ready().await.unwrap();
    running.stack.settle(&tweets).await.unwrap();
    assert_eq!(home(&client, &reader).await, tweets);
}

/// A reader's home timeline, oldest first; one that is refused is a failure.
async fn home(client: &Client, reader: &Person) -> Vec<TweetId> {
    let page = PageQuery::limit(20);
    let home: HomePage = client.complete_home(&reader.token, &page).await.unwrap();
    home.tweets.iter().rev().map(|tweet| tweet.id).collect()
}

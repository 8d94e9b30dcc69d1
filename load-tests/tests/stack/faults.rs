//! Under a steady load every process is killed, and every store. Afterwards every acknowledged tweet is in every timeline
//! that it belongs to, once, and the books agree.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use load_tests::ledger::{Ledger, LedgerOptions, Report};
use test_support::{Stop, System};

use crate::books;
use crate::support::TestStack;

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
    under_load_for(Duration::from_secs(8), name, &[], fault).await;
}

/// Runs the load for so long while `fault` goes on; then compares every timeline with the ledger. Answers what the load came
/// to.
pub(crate) async fn under_load_for(
    duration: Duration,
    name: &str,
    settings: &[(&str, &str)],
    fault: impl AsyncFnOnce(&TestStack, &Ledger) -> io::Result<()>,
) -> Option<Report> {
    let settings = [&[("ROOKERY__TIMELINE__PULL_THRESHOLD", "12")], settings].concat();
    let running = TestStack::up(&["--strategy", "hybrid"], &settings).await?;
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

async fn kill_and_start(running: &TestStack, name: &str) -> io::Result<()> {
    let part = running.stack.part(name, 0);
    part.end(Stop::Abrupt).await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    part.start()?;
    running.stack.wait_ready().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_one_service_after_the_other_loses_nothing() {
    under_load("kill -9 of one service after the other", async |running| {
        for name in ["tweet-ingest", "fan-out", "timeline-read", "follow-graph"] {
            kill_and_start(running, name).await?;
        }
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_all_services_at_once_loses_nothing() {
    under_load("kill -9 of all services at once", async |running| {
        running.stack.restart_services(Stop::Abrupt).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_postgres_loses_nothing() {
    under_load("kill -9 of PostgreSQL", async |running| {
        kill_and_start(running, "postgres").await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_of_redis_with_its_data_loses_nothing() {
    under_load("kill -9 of Redis", async |running| {
        kill_and_start(running, "redis").await
    })
    .await;
}

fn redis_folder(running: &TestStack) -> PathBuf {
    PathBuf::from(running.stack.part("redis", 0).option("--dir").unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_coming_back_with_nothing_loses_nothing() {
    under_load("kill -9 of Redis and its data", async |running| {
        let redis = running.stack.part("redis", 0);
        redis.end(Stop::Abrupt).await?;
        let folder = redis_folder(running);
        fs::remove_dir_all(&folder)?;
        fs::create_dir(&folder)?;
        redis.start()?;
        running.stack.wait_ready().await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_coming_back_with_an_older_file_loses_nothing() {
    under_load("kill -9 of Redis, and an older file", async |running| {
        let redis = running.stack.part("redis", 0);
        let (folder, older) = (redis_folder(running), redis_folder(running).with_extension("older"));
        // In one piece: what is copied while it is written is no file that a server ever had.
        redis.pause()?;
        let copied = copy(&folder, &older);
        redis.resume()?;
        copied?;
        tokio::time::sleep(Duration::from_secs(2)).await;
        redis.end(Stop::Abrupt).await?;
        fs::remove_dir_all(&folder)?;
        fs::rename(&older, &folder)?;
        redis.start()?;
        running.stack.wait_ready().await
    })
    .await;
}

fn copy(from: &std::path::Path, to: &std::path::Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

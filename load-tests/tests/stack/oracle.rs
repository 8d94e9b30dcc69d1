//! Random histories through the load balancer: the same answers as the model's, whichever replica answers.

use std::future::ready;

use futures::{StreamExt, stream};
use test_support::{Plan, generate, run};

use crate::support::{TestStack, variable};

/// Histories of each strategy.
const CASES: u64 = 34;

const AT_A_TIME: usize = 12;

const PLAN: Plan = Plan {
    steps: 60,
    seats: 5,
    rules_change: false,
    restarts: false,
    holds: false,
};

/// Windows far smaller than a timeline, and thresholds that a few follows cross.
const SETTINGS: [(&str, &str); 3] = [
    ("ROOKERY__TIMELINE__WINDOW", "20"),
    ("ROOKERY__TIMELINE__PULL_THRESHOLD", "3"),
    ("ROOKERY__TIMELINE__PUSH_THRESHOLD", "2"),
];

async fn histories(strategy: &str, first: u64) {
    let Some(running) = TestStack::up(&["--strategy", strategy], &SETTINGS).await else {
        return;
    };
    let times: u64 = variable("ROOKERY_STACK_CASES").map_or(1, |times| times.parse().unwrap());
    let failures = stream::iter(first..first + CASES * times)
        .map(async |seed| {
            let history = generate(seed, PLAN);
            let violation = run(&running.stack, &history).await.err()?;
            Some(format!("{strategy}: seed {seed} fails {violation}\n{history}"))
        })
        .buffer_unordered(AT_A_TIME)
        .filter_map(ready);
    let failure = std::pin::pin!(failures).next().await;
    assert!(failure.is_none(), "{}\n{}", failure.unwrap_or_default(), running.tell());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_is_right_on_the_stack() {
    histories("pull", 1_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_is_right_on_the_stack() {
    histories("push", 2_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hybrid_is_right_on_the_stack() {
    histories("hybrid", 3_000).await;
}

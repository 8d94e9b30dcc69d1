//! Random histories through the load balancer: the same answers as the model's, whichever replica answers.

use std::future::ready;
use std::ops::Range;
use std::time::Duration;

use futures::{StreamExt, stream};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use test_support::{Plan, generate, run};

use crate::fault::Fault;
use crate::support::{TestStack, variable};

/// Histories of each strategy.
const CASES: u64 = 34;

const AT_A_TIME: usize = 12;

/// From the recovery of one to the next.
const BETWEEN_FAULTS: Duration = Duration::from_secs(2);

const PLAN: Plan = Plan {
    steps: 60,
    seats: 5,
    rules_change: false,
    restarts: false,
    holds: false,
};

/// Windows far smaller than a timeline, thresholds that a few follows cross, and tweets that processes keep in memory.
const SETTINGS: [(&str, &str); 4] = [
    ("ROOKERY__TIMELINE__WINDOW", "20"),
    ("ROOKERY__TIMELINE__PULL_THRESHOLD", "3"),
    ("ROOKERY__TIMELINE__PUSH_THRESHOLD", "2"),
    ("ROOKERY__REDIS__NEAR_TWEETS_MIB", "8"),
];

/// The histories of these seeds, side by side; the first that fails is the test's failure.
async fn all_right(running: &TestStack, plan: Plan, seeds: Range<u64>, at_a_time: usize) {
    let (cases, steps) = (seeds.end - seeds.start, plan.steps);
    let failures = stream::iter(seeds)
        .map(async |seed| {
            let history = generate(seed, plan);
            let violation = run(&running.stack, &history).await.err()?;
            Some(format!("seed {seed} fails {violation}\n{history}"))
        })
        .buffer_unordered(at_a_time)
        .filter_map(ready);
    let failure = std::pin::pin!(failures).next().await;
    assert!(failure.is_none(), "{}\n{}", failure.unwrap_or_default(), running.tell());
    println!("on the stack: {cases} histories, {} steps", cases * steps as u64);
}

/// So many seeds, from `first` or from where `ROOKERY_ORACLE_SEED` says.
fn seeds(first: u64, cases: u64) -> Range<u64> {
    let number = |name| variable(name).map(|number| number.parse::<u64>().unwrap());
    let first = number("ROOKERY_ORACLE_SEED").unwrap_or(first);
    first..first + cases * number("ROOKERY_ORACLE_CASES").unwrap_or(1)
}

async fn histories(strategy: &str, first: u64) {
    if let Some(running) = TestStack::up(&["--strategy", strategy], &SETTINGS).await {
        all_right(&running, PLAN, seeds(first, CASES), AT_A_TIME).await;
    }
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

/// Rules change, authors cross, and one part after the other is killed, all meanwhile; Redis forgets, or comes back with an
/// older file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn histories_are_right_whatever_fails_on_the_stack() {
    let Some(mut running) = TestStack::up(&["--strategy", "hybrid"], &SETTINGS).await else {
        return;
    };
    running.stack = running.stack.with_patience();
    let plan = Plan {
        rules_change: true,
        ..PLAN
    };
    let seeds = seeds(4_000, 24);
    let mut faults = StdRng::seed_from_u64(seeds.start);
    let mut befallen = Vec::new();
    let befall = async {
        loop {
            tokio::time::sleep(BETWEEN_FAULTS).await;
            let fault = Fault::ALL[faults.random_range(0..Fault::ALL.len())];
            fault.befall(&running.stack).await.unwrap();
            befallen.push(fault.to_string());
        }
    };
    tokio::select! {
        () = all_right(&running, plan, seeds, 24) => {}
        never = befall => never,
    }
    assert!(!befallen.is_empty(), "nothing has failed");
    println!("meanwhile: {}", befallen.join(", "));
}

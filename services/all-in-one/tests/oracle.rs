//! Random histories against the system, under every strategy, each answer compared with the oracle's.
//!
//! `ROOKERY_ORACLE_CASES=n` runs n times as many histories; `ROOKERY_ORACLE_SEED=n` begins with that seed, so that the
//! first history of a test is the one that a failure named. A failing history is shrunk and printed as steps.

#[path = "oracle/in_process.rs"]
mod in_process;
#[path = "oracle/suite.rs"]
mod suite;

use model::Strategy;
use suite::{Place, Setup, Suite};
use test_support::{Distortion, Plan};

/// Windows far smaller than a timeline, so that its mark matters, and thresholds that a few follows cross.
fn setup(name: &'static str, strategy: Strategy, window: usize) -> Setup {
    Setup {
        name,
        place: Place::Inside,
        strategy,
        window,
        pull_threshold: 3,
        push_threshold: 2,
    }
}

const PLAN: Plan = Plan {
    steps: 110,
    seats: 6,
    rules_change: false,
    restarts: false,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pull_is_right() {
    let suite = Suite::new(setup("pull", Strategy::Pull, 5), PLAN, 10);
    let stored = suite.run_side_by_side(3).await;
    assert_eq!(stored, Some(0), "pull stores no entries");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn push_is_right() {
    for (name, window) in [("push-3", 3), ("push-10", 10)] {
        let suite = Suite::new(setup(name, Strategy::Push, window), PLAN, 6);
        let stored = suite.run_side_by_side(3).await;
        assert!(stored > Some(0), "push stores entries");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hybrid_is_right() {
    for (name, window) in [("hybrid-4", 4), ("hybrid-8", 8)] {
        let suite = Suite::new(setup(name, Strategy::Hybrid, window), PLAN, 6);
        suite.run_side_by_side(3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn crossing_loses_nothing() {
    let crossing = Plan {
        rules_change: true,
        ..PLAN
    };
    let suite = Suite::new(setup("crossing", Strategy::Hybrid, 6), crossing, 12);
    suite.run_side_by_side(3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_lose_nothing() {
    let restarting = Plan {
        rules_change: true,
        restarts: true,
        ..PLAN
    };
    let suite = Suite::new(setup("restarts", Strategy::Hybrid, 4), restarting, 5);
    suite.run_side_by_side(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing() {
    let restarting = Plan {
        steps: 260,
        rules_change: true,
        restarts: true,
        ..PLAN
    };
    // The smallest window that the program can be configured with.
    let killed = Setup {
        place: Place::Outside,
        ..setup("killed", Strategy::Hybrid, 20)
    };
    Suite::new(killed, restarting, 5).run_side_by_side(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_comparison_finds_every_distortion() {
    for distortion in Distortion::ALL {
        let suite = Suite::new(setup("distorted", Strategy::Hybrid, 5), PLAN, 8);
        suite.must_find(distortion).await;
    }
}

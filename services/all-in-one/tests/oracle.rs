//! Random histories against the system, under every strategy, each answer compared with the oracle's.
//!
//! `ROOKERY_ORACLE_CASES=n` runs n times as many histories; `ROOKERY_ORACLE_SEED=n` begins with that seed, so that the
//! first history of a test is the one that a failure named. A failing history is shrunk, for
//! `ROOKERY_ORACLE_SHRINK_SECONDS` at most, and printed as steps.

#[path = "oracle/audited.rs"]
mod audited;
#[path = "oracle/behind.rs"]
mod behind;
#[path = "oracle/held_log.rs"]
mod held_log;
#[path = "oracle/in_process.rs"]
mod in_process;
#[path = "oracle/suite.rs"]
mod suite;

use model::{EdgeKind, Strategy};
use suite::{Place, Setup, Suite};
use test_support::{Distortion, History, Label, Plan, Seat, Step};

/// Windows far smaller than a timeline, so that its mark matters, and thresholds that a few follows cross.
fn setup(name: &'static str, strategy: Strategy, window: usize) -> Setup {
    Setup {
        name,
        place: Place::Inside,
        strategy,
        window,
        pull_threshold: 3,
        push_threshold: 2,
        crossing_ms: 100,
        audited: false,
    }
}

const PLAN: Plan = Plan {
    steps: 110,
    seats: 6,
    rules_change: false,
    restarts: false,
    holds: false,
};

/// Whatever three accounts can do in a few steps.
const SHORT: Plan = Plan {
    steps: 14,
    seats: 3,
    ..PLAN
};

/// Ten thousand in all, side by side.
fn short(name: &'static str, strategy: Strategy) -> Setup {
    Setup {
        // Of three accounts, two can follow the third.
        pull_threshold: 2,
        // Little beside what a history takes.
        crossing_ms: 5,
        ..setup(name, strategy, 3)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_histories_are_right() {
    for (name, strategy, cases) in [
        ("short-pull", Strategy::Pull, 1_000),
        ("short-push", Strategy::Push, 2_500),
        ("short-hybrid", Strategy::Hybrid, 2_500),
    ] {
        let suite = Suite::new(short(name, strategy), SHORT, cases);
        suite.run_side_by_side(24).await;
    }
}

/// Rules change while others' steps are half done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_histories_with_crossings_are_right() {
    let crossing = Plan {
        rules_change: true,
        ..SHORT
    };
    let suite = Suite::new(short("short-crossing", Strategy::Hybrid), crossing, 4_000);
    suite.run_side_by_side(24).await;
}

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

/// A mark is taken while a tweet is accepted and not delivered and a newer one is there; then the older one arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_late_arrival_is_newer_than_the_mark_before_it() {
    let [reader, slow, fast] = [0, 1, 2].map(Seat);
    let hold = |of: &[Seat]| Step::HoldDeliveries { of: of.to_vec() };
    let follow = |target| Step::Edge {
        kind: EdgeKind::Follow,
        actor: reader,
        target,
        present: true,
    };
    let post = |by, tweet| Step::Post {
        by,
        tweet: Label(tweet),
        reply_to: None,
        repeat: false,
    };
    let (mark, limit) = (Label(0), 10);
    let steps = vec![
        Step::SignUp(reader),
        Step::SignUp(slow),
        Step::SignUp(fast),
        follow(slow),
        follow(fast),
        post(slow, 0),
        Step::Settle,
        // Reads until the timeline is stored: what is not stored is pulled, and never late.
        Step::ReadHome { reader, limit },
        Step::Wait { ms: 300 },
        hold(&[slow]),
        post(slow, 1),
        post(fast, 2),
        Step::Wait { ms: 300 },
        Step::TakeMark { mark, reader, limit },
        hold(&[]),
        Step::Settle,
        Step::Poll { mark, limit },
    ];
    let history = History { seed: 0, steps };
    Suite::of(setup("late", Strategy::Push, 5), vec![history])
        .run_side_by_side(1)
        .await;
}

/// One history at a time: who is held back is the whole system's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn late_arrivals_are_not_forgotten() {
    let late = Plan { holds: true, ..PLAN };
    for (name, strategy) in [("late-push", Strategy::Push), ("late-hybrid", Strategy::Hybrid)] {
        Suite::new(setup(name, strategy, 6), late, 4).run_side_by_side(1).await;
    }
}

/// Whatever happened, a stored timeline is what the tweets say, all the time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audits_find_no_difference() {
    let crossing = Plan {
        rules_change: true,
        ..PLAN
    };
    for (name, strategy, window, plan) in [
        ("audited-push", Strategy::Push, 4, PLAN),
        ("audited-crossing", Strategy::Hybrid, 6, crossing),
    ] {
        let audited = Setup {
            audited: true,
            ..setup(name, strategy, window)
        };
        Suite::new(audited, plan, 6).run_side_by_side(3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn audits_find_no_difference_while_deliveries_are_late() {
    let late = Plan { holds: true, ..PLAN };
    let audited = Setup {
        audited: true,
        ..setup("audited-late", Strategy::Hybrid, 6)
    };
    Suite::new(audited, late, 4).run_side_by_side(1).await;
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

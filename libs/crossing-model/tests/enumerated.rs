//! Every interleaving within small bounds keeps the promises; without a guard, some scenario breaks one.

use crossing_model::{CrossingModel, Fault, SCENARIOS, Scenario};
use stateright::{Checker, Model};

fn scenario(name: &str) -> Scenario {
    *SCENARIOS
        .iter()
        .find(|scenario| scenario.name == name)
        .expect("it is listed")
}

fn holds(name: &str) {
    let scenario = scenario(name);
    let checker = CrossingModel::new(scenario, scenario.quick, None).checker();
    checker.threads(2).spawn_bfs().join().assert_properties();
}

/// The scenario that finds it is named: what a guard is for is part of the argument.
fn breaks(fault: Fault, name: &str) {
    let scenario = scenario(name);
    let checker = CrossingModel::new(scenario, scenario.quick, Some(fault)).checker();
    let found = checker
        .threads(2)
        .spawn_bfs()
        .join()
        .discovery("no tweet falls between");
    assert!(found.is_some(), "nothing breaks with {fault:?}");
}

#[test]
fn an_author_crosses() {
    holds("author");
}

#[test]
fn everyone_crosses() {
    holds("strategy");
}

#[test]
fn timelines_are_built_meanwhile() {
    holds("build");
}

#[test]
fn timelines_are_built_while_all_goes_back() {
    holds("build-back");
}

#[test]
fn timelines_are_trimmed() {
    holds("trim");
}

#[test]
fn two_replicas_build() {
    holds("two-builds");
}

#[test]
fn timelines_are_lost() {
    holds("loss");
}

#[test]
fn a_reader_follows_meanwhile() {
    holds("follow");
}

#[test]
fn steps_wait_for_each_other() {
    breaks(Fault::StepsWithoutWaiting, "author");
}

#[test]
fn the_highest_id_is_asked_for_when_the_step_before_is_in_force() {
    breaks(Fault::LooksBeforeWaiting, "author");
}

#[test]
fn a_range_is_closed_above_what_was_drawn() {
    breaks(Fault::ClosesAtPresent, "author");
}

#[test]
fn the_second_look_of_a_worker_is_a_second_guard() {
    // A range is closed above every accepted id, hence above what a worker may have left to readers by older rules.
    let scenario = scenario("author");
    let checker = CrossingModel::new(scenario, scenario.quick, Some(Fault::DoesNotLookAgain)).checker();
    checker.threads(2).spawn_bfs().join().assert_properties();
}

#[test]
fn a_read_ends_with_what_it_may_believe() {
    breaks(Fault::BelievesForever, "build");
}

#[test]
fn the_mark_is_taken_first() {
    breaks(Fault::TakesMarkLast, "author");
}

#[test]
fn new_follows_are_pulled() {
    breaks(Fault::IgnoresNewFollows, "follow");
}

#[test]
fn a_push_makes_no_timeline() {
    breaks(Fault::PushMakesTimeline, "loss");
}

#[test]
fn trimming_moves_the_mark() {
    breaks(Fault::TrimKeepsMark, "trim");
}

#[test]
fn pushes_have_somewhere_to_go_before_the_scan() {
    breaks(Fault::BuildsWithoutBeginning, "build");
}

#[test]
fn a_build_waits_until_workers_know_its_follows() {
    breaks(Fault::BuildsWithoutWaiting, "two-builds");
}

#[test]
fn a_backfill_waits_until_workers_know_its_follows() {
    breaks(Fault::BackfillsWithoutWaiting, "follow");
}

#[test]
fn a_build_holds_what_is_pushed_though_readers_pull_it() {
    breaks(Fault::LeavesOutWhatIsPushed, "build-back");
}

#[test]
fn only_the_latest_build_is_installed() {
    breaks(Fault::InstallsAnyBuild, "two-builds");
}

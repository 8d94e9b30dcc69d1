use std::time::{Duration, Instant};

use serde_json::json;

use crate::rookery::{Place, Rookery};

const TOLD: &str = "timelines computed anew: ";

/// Posts and reads until the reader's home timeline is stored: then there is one to be computed anew.
fn with_a_stored_timeline(place: &Place, rookery: &Rookery) {
    let (_, reader) = rookery.sign_up("ada");
    let (friend, token) = rookery.sign_up("bob");
    rookery.ask("PUT", &format!("/v1/users/me/following/{friend}"), Some(&reader), None);
    rookery.ask("POST", "/v1/tweets", Some(&token), Some(&json!({"text": "hello"})));
    let begun = Instant::now();
    loop {
        rookery.ask("GET", "/v1/timelines/home", Some(&reader), None);
        let said = place.run(&["rebuild", "--user", "ada"]).succeeded();
        if said == format!("{TOLD}1, gone meanwhile: 0, failed: 0\n") {
            return;
        }
        assert_eq!(said, format!("{TOLD}0, gone meanwhile: 1, failed: 0\n"));
        assert!(begun.elapsed() < Duration::from_mins(1), "the timeline is never stored");
    }
}

#[test]
fn timelines_are_computed_anew_while_the_system_runs() {
    let place = Place::new();
    let rookery = place.start();
    with_a_stored_timeline(&place, &rookery);
    let all = place.run(&["rebuild", "--all"]).succeeded();
    assert_eq!(all, format!("{TOLD}1, gone meanwhile: 0, failed: 0\n"));
    let none = place.run(&["rebuild", "--user", "BOB"]).succeeded();
    assert_eq!(none, format!("{TOLD}0, gone meanwhile: 1, failed: 0\n"));
    let said = place.run(&["rebuild", "--user", "nobody"]).failed_with(67);
    assert!(said.contains("no account with the handle nobody"), "{said}");
    let ended = place.run(&["rebuild", "--user", "a b"]);
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
    assert!(ended.stderr.contains("an account is named by"), "{}", ended.stderr);
}

#[test]
fn it_is_said_whose_timelines() {
    let place = Place::new();
    for whose in [&[][..], &["--all", "--user", "ada"], &["--user"]] {
        let ended = place.run(&[&["rebuild"], whose].concat());
        assert_eq!(ended.code, Some(64), "{whose:?}: {}", ended.stderr);
    }
}

#[test]
fn a_stopped_system_has_nothing_to_rebuild() {
    let place = Place::new();
    let said = place.run(&["rebuild", "--all"]).failed_with(66);
    assert!(said.contains("no data"), "{said}");
    place.start().kill_9();
    for whose in [&["--all"][..], &["--user", "ada"]] {
        let said = place.run(&[&["rebuild"], whose].concat()).succeeded();
        assert!(said.starts_with("nothing to rebuild: rookery is not running"), "{said}");
    }
}

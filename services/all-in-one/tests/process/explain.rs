use serde_json::{Value, json};

use crate::rookery::{Place, text};

#[test]
fn a_running_and_a_stopped_system_explain() {
    let place = Place::new();
    let rookery = place.start();
    let (_, ada) = rookery.sign_up("Ada");
    let (bob_id, bob) = rookery.sign_up("bob");
    rookery.ask("PUT", &format!("/v1/users/me/following/{bob_id}"), Some(&ada), None);
    let tweet = rookery.ask("POST", "/v1/tweets", Some(&bob), Some(&json!({"text": "hello"})));
    let tweet = text(&tweet["id"]);
    let explain = |user: &str, more: &[&str]| {
        let arguments = [&["explain", "--user", user, "--tweet", &tweet], more].concat();
        place.run(&arguments).succeeded()
    };

    let said = explain("ada", &[]);
    assert!(said.starts_with("VISIBLE, given by: "), "{said}");
    for rule in ["follow", "stored", "pulled"] {
        assert!(said.lines().any(|line| line.starts_with(rule)), "{said}");
    }
    let json: Value = serde_json::from_str(&explain("@Ada", &["--json"])).unwrap();
    assert_eq!(json["visible"], true);
    let said = explain("4711", &[]);
    assert!(said.starts_with("NOT VISIBLE, hidden by: reader"), "{said}");
    rookery.ask("PUT", &format!("/v1/users/me/muting/{bob_id}"), Some(&ada), None);
    let said = explain("ada", &[]);
    assert!(said.starts_with("NOT VISIBLE, hidden by: mute"), "{said}");
    rookery.kill_9();

    let stopped = explain("ada", &[]);
    assert!(stopped.starts_with("NOT VISIBLE, hidden by: mute"), "{stopped}");
    assert!(stopped.contains("none is stored"), "{stopped}");
    let json: Value = serde_json::from_str(&explain(&bob_id, &["--json"])).unwrap();
    assert_eq!(json["visible"], true);
    let rookery = place.start();
    assert_eq!(rookery.home(&bob), ["hello"], "the stores were let go of");
}

#[test]
fn without_such_an_account_or_any_data_it_says_so() {
    let place = Place::new();
    let arguments = ["explain", "--user", "ada", "--tweet", "1"];
    let said = place.run(&arguments).failed_with(66);
    assert!(said.contains("no data"), "{said}");
    let rookery = place.start();
    let running = place.run(&arguments).failed_with(67);
    assert!(running.contains("no account with the handle ada"), "{running}");
    rookery.kill_9();
    assert_eq!(place.run(&arguments).failed_with(67), running);
    for bad in [
        ["explain", "--user", "a b", "--tweet", "1"],
        ["explain", "--user", "ada", "--tweet", "x"],
    ] {
        assert_eq!(place.run(&bad).code, Some(64), "{bad:?}");
    }
}

//! `cargo xtask stack`: it comes up, is spread over, survives what dies, and leaves nothing.
//!
//! PostgreSQL, Redis and the load balancer are real; the services are stand-ins, which start at once.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod faults;
mod support;

use std::collections::BTreeSet;
use std::fs;

use support::{TestStack, installed, wait_until};

#[test]
fn requests_go_to_every_replica_of_the_service_that_has_the_path() {
    if !installed() {
        return;
    }
    let stack = TestStack::up(&["--replicas", "2"]);
    let who = |path: &str| -> BTreeSet<String> { (0..8).map(|_| stack.get(path).1).collect() };
    let replicas = |name: &str| BTreeSet::from([format!("{name} 0"), format!("{name} 1")]);
    for (path, service) in [
        ("/v1/tweets", "tweet-ingest"),
        ("/v1/tweets/5?x=/v1/users", "tweet-ingest"),
        ("/v1/timelines/home", "timeline-read"),
        ("/v1/users/me", "follow-graph"),
        ("/v1/openapi.json", "follow-graph"),
        ("/v1/tweetsandmore", "follow-graph"),
    ] {
        wait_until(path, || who(path) == replicas(service));
    }
    for path in ["/", "/admin/delivery", "/readyz", "/v2/tweets"] {
        let (status, body) = stack.get(path);
        assert!(
            status == 404 && body.contains("urn:rookery:problem:not-found"),
            "{path}: {body}"
        );
    }
}

#[test]
fn what_died_is_started_and_nothing_else_is_touched() {
    if !installed() {
        return;
    }
    let stack = TestStack::up(&["--replicas", "2"]);
    let before = stack.pids();
    assert_eq!(
        before.len(),
        11,
        "two of each service, two stores and a load balancer: {before:?}"
    );
    assert!(stack.run(&["up"]).status.success());
    assert_eq!(stack.pids(), before, "nothing had died");

    let dead = ["postgres 0", "redis 0", "fan-out 1", "load-balancer 0"];
    for name in dead {
        stack.kill(name);
    }
    assert!(!stack.run(&["status"]).status.success());
    assert!(stack.run(&["up"]).status.success());
    let after = stack.pids();
    for (name, pid) in &before {
        assert_eq!(dead.contains(&name.as_str()), after[name] != *pid, "{name}");
    }
    assert!(stack.run(&["status"]).status.success());

    let otherwise = stack.run(&["up", "--replicas", "3"]);
    assert!(!otherwise.status.success());
    assert!(String::from_utf8_lossy(&otherwise.stderr).contains("--replicas"));
    assert_eq!(stack.pids(), after);
}

#[test]
fn a_process_started_from_its_description_is_known_and_ended() {
    if !installed() {
        return;
    }
    let stack = TestStack::up(&["--replicas", "1"]);
    stack.kill("timeline-read 0");
    let child = stack.restart("timeline-read 0");
    assert!(stack.run(&["up"]).status.success());
    assert_eq!(
        stack.pids()["timeline-read 0"],
        child.id(),
        "its process is the service itself"
    );
    let running = stack.pids();
    stack.signal("fan-out 0", "-STOP");
    stack.down(child);
    for (name, pid) in running {
        assert!(!support::runs(pid), "{name} ({pid}) is left");
    }
}

#[test]
fn a_path_without_servers_is_a_503_of_the_documented_form() {
    if !installed() {
        return;
    }
    let stack = TestStack::up(&["--replicas", "1"]);
    stack.kill("tweet-ingest 0");
    let (status, body) = stack.get("/v1/tweets");
    assert_eq!(status, 503, "{body}");
    assert!(body.contains("\"urn:rookery:problem:overloaded\""), "{body}");
    assert_eq!(stack.get("/v1/timelines/home").0, 200, "others are not concerned");
}

#[test]
fn redis_can_be_a_cluster() {
    if !installed() {
        return;
    }
    let stack = TestStack::up(&["--replicas", "1", "--redis-cluster", "--strategy", "push"]);
    let url = stack.description()["redis_url"].as_str().unwrap().to_owned();
    assert!(
        url.starts_with("redis-cluster://") && url.matches("node=").count() == 2,
        "{url}"
    );
    stack.kill("redis 1");
    assert!(
        stack.run(&["up"]).status.success(),
        "a node that was lost takes its place again"
    );
    let service = stack.process("fan-out 0");
    assert_eq!(service["restart"]["env"]["ROOKERY__TIMELINE__STRATEGY"], "push");
    assert_eq!(service["restart"]["env"]["ROOKERY__REDIS__URL"], url.as_str());
}

/// Traces go to another receiver, so there is none.
#[test]
fn prometheus_knows_every_replica_and_ends_with_the_stack() {
    if !installed() {
        return;
    }
    let elsewhere = "http://127.0.0.1:9";
    let stack = TestStack::up_with(
        &["--replicas", "2", "--observe"],
        &[("ROOKERY__OTLP__ENDPOINT", elsewhere)],
    );
    let service = stack.process("fan-out 1");
    assert_eq!(service["restart"]["env"]["ROOKERY__OTLP__ENDPOINT"], elsewhere);
    let before = stack.pids();
    assert_eq!(before.len(), 12, "{before:?}");
    let targets = fs::read(stack.folder().join("prometheus/targets.json")).unwrap();
    let targets: serde_json::Value = serde_json::from_slice(&targets).unwrap();
    assert_eq!(targets.as_array().unwrap().len(), 8);
    let address = service["internal_url"].as_str().unwrap().replace("http://", "");
    let of_service = targets
        .as_array()
        .unwrap()
        .iter()
        .find(|target| target["targets"][0] == *address);
    let labels = &of_service.unwrap()["labels"];
    assert_eq!(
        (&labels["service"], &labels["instance"]),
        (&"fan-out".into(), &"fan-out-1".into())
    );

    stack.kill("prometheus 0");
    assert!(!stack.run(&["status"]).status.success());
    assert!(stack.run(&["up"]).status.success());
    let status = stack.run(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("\nPrometheus: http://127.0.0.1:"));
    let after = stack.pids();
    drop(stack);
    assert!(!after.values().any(|&pid| support::runs(pid)), "{after:?}");
}

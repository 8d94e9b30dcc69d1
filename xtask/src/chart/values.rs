//! Values that the chart takes, and those that it refuses.

use std::collections::BTreeSet;
use std::fs;

use super::folder;
use super::helm::{Program, values_files};
use crate::cargo::workspace_root;
use crate::config_docs::{SAMPLE, keys};

/// Settings that the chart itself makes.
const MADE: [&str; 10] = [
    "admin.token",
    "auth.private_key",
    "auth.public_keys",
    "data_dir",
    "events.redis_url",
    "follow_graph.url",
    "http.addr",
    "internal.addr",
    "postgres.url",
    "redis.url",
];

#[test]
fn every_values_file_passes_the_linter() {
    let Some(helm) = Program::find() else { return };
    for values in values_files() {
        let output = helm.output(&["lint", "--strict"], &["--values", values.to_str().unwrap()]);
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", values.display());
    }
}

/// What Helm says to arguments that it must refuse.
fn refusal(helm: &Program, arguments: &[&str]) -> String {
    let output = helm.output(&["template", "rookery"], arguments);
    assert!(!output.status.success(), "{arguments:?} is taken");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn typos_are_refused() {
    let Some(helm) = Program::find() else { return };
    let trial = "postgresql.trial.enabled=true,valkey.trial.enabled=true";
    for typo in [
        "replicas=3",
        "services.tweet-ingst.replicas=3",
        "services.fan-out.replica=3",
        "config.timeline.strategy=pul",
        "config.timeline.pull_treshold=5",
        "networkPolicy.publicFrom[0].podSelektor.a=b",
        "monitoring.podMonitor.enable=true",
        "monitoring.podMonitor.interval=often",
        "services.fan-out.config.timeline.pull_treshold=5",
        "services.fan-out.canary.mode=weight",
        "services.fan-out.canary.wieght=5",
        "services.timeline-read.canary.weight=101",
        "services.timeline-read.canary.argo.steps[0]=-1",
        "commonLabels.app\\.kubernetes\\.io/name=other",
        // What is said at one place and makes no sense together.
        "services.timeline-read.canary.mode=argo,services.timeline-read.canary.weight=5",
        "services.timeline-read.canary.mode=none,services.timeline-read.canary.tag=1.2.4",
    ] {
        let said = refusal(&helm, &["--set", trial, "--set", typo]);
        assert!(said.contains("schema"), "{typo}: {said}");
    }
}

#[test]
fn canaries_that_make_no_sense_are_refused() {
    let Some(helm) = Program::find() else { return };
    let trial = "postgresql.trial.enabled=true,valkey.trial.enabled=true";
    let route = "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public";
    let read = "services.timeline-read.canary";
    for (settings, reason) in [
        (format!("{read}.tag=1.2.4"), "are for mode=weights, not for mode=none"),
        (
            format!("defaults.canary.mode=argo,{read}.config.log.filter=debug"),
            "not for mode=argo",
        ),
        (
            format!("{read}.mode=weights,{read}.weight=5"),
            "no HTTPRoute leads to timeline-read",
        ),
        (
            format!("{route},services.fan-out.canary.mode=weights,services.fan-out.canary.weight=5"),
            "no HTTPRoute leads to fan-out",
        ),
        (
            format!("{read}.mode=argo,{read}.argo.trafficRouting=true"),
            "no HTTPRoute leads to timeline-read",
        ),
    ] {
        let said = refusal(&helm, &["--set", trial, "--set", &settings]);
        assert!(said.contains(reason), "{settings}: {said}");
    }
}

#[test]
fn a_store_that_is_not_named_is_asked_for() {
    let Some(helm) = Program::find() else { return };
    let said = refusal(&helm, &["--set", "postgresql.trial.enabled=true"]);
    assert!(said.contains("set valkey.url.secretName"), "{said}");
}

#[test]
fn prometheus_is_let_in_where_it_is_to_scrape() {
    let Some(helm) = Program::find() else { return };
    let trial = "postgresql.trial.enabled=true,valkey.trial.enabled=true,monitoring.podMonitor.enabled=true";
    let said = refusal(&helm, &["--set", trial]);
    assert!(said.contains("set networkPolicy.internalFrom"), "{said}");
}

#[test]
fn the_schema_knows_every_setting_of_the_services() {
    let schema = fs::read_to_string(folder().join("values.schema.json")).unwrap();
    let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
    let properties = |value: &serde_json::Value| value["properties"].as_object().unwrap().clone();
    let known: BTreeSet<String> = properties(&schema["definitions"]["config"])
        .iter()
        .flat_map(|(section, value)| {
            properties(value)
                .into_iter()
                .map(move |(key, _)| format!("{section}.{key}"))
        })
        .collect();
    let sample = fs::read_to_string(workspace_root().join(SAMPLE)).unwrap();
    let settings = keys(&sample).into_iter().map(|key| key.path);
    let expected: BTreeSet<String> = settings.filter(|path| !MADE.contains(&path.as_str())).collect();
    assert_eq!(known, expected);
}

//! What Argo Rollouts asks Prometheus about a canary: each query, with series that are known.

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use super::helm::{Program, ci};
use crate::tools::{Promtool, Tool};

/// The queries of a service's analysis, by name, about the pods of the versions `new` and `old`.
fn queries(helm: &Program, service: &str) -> BTreeMap<String, String> {
    let manifests = helm.template(&ci("canaries.yaml"), &["--show-only", "templates/argo.yaml"]);
    let head = format!("kind: AnalysisTemplate\nmetadata:\n  name: rookery-{service}-canary\n");
    let analysis = manifests
        .split("---\n")
        .find(|document| document.contains(&head))
        .unwrap();
    let metrics = analysis.split("    - name: ").skip(1);
    let query = |metric: &str| {
        let query = metric
            .lines()
            .find_map(|line| line.trim().strip_prefix("query: "))
            .unwrap();
        let query: String = serde_json::from_str(query).unwrap();
        query
            .replace("{{args.canary}}", "new")
            .replace("{{args.stable}}", "old")
    };
    metrics
        .map(|metric| (metric.lines().next().unwrap().to_owned(), query(metric)))
        .collect()
}

/// A counter of a pod, by name, labels beside those of the pod, and how much it grows each minute.
fn series(service: &str, version: &str, name: &str, labels: &str, growth: u32) -> (String, String) {
    let pod = format!("namespace=\"rookery\",pod=\"rookery-{service}-{version}-x1\"");
    (format!("{name}{{{pod}{labels}}}"), format!("0+{growth}x10"))
}

/// Fails unless the query has this value after ten minutes; without one, it must have no result.
fn expect(query: &str, series: &[(String, String)], value: Option<f64>) {
    let Some(promtool) = Promtool.find() else {
        eprintln!("SKIPPED: there is no promtool; `cargo xtask test` installs it");
        return;
    };
    let series: Vec<_> = series
        .iter()
        .map(|(series, values)| serde_json::json!({"series": series, "values": values}))
        .collect();
    let samples: Vec<_> = value
        .iter()
        .map(|value| serde_json::json!({"labels": "{}", "value": value}))
        .collect();
    let test = serde_json::json!({"tests": [{
        "interval": "1m",
        "input_series": series,
        "promql_expr_test": [{"expr": query, "eval_time": "10m", "exp_samples": samples}],
    }]});
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("test.yaml");
    // JSON is YAML too.
    fs::write(&file, test.to_string()).unwrap();
    let output = Command::new(promtool)
        .args(["test", "rules"])
        .arg(&file)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{query}: {said}");
}

#[test]
fn requests_and_their_failures_are_told_by_version() {
    let Some(helm) = Program::find() else { return };
    let queries = queries(&helm, "tweet-ingest");
    let name = "http_server_request_duration_seconds_count";
    let requests = |version, route: &str, status: u32, growth| {
        let labels = format!(",http_route=\"{route}\",http_response_status_code=\"{status}\"");
        series("tweet-ingest", version, name, &labels, growth)
    };
    let stable = requests("old", "/v1/tweets", 201, 1_000);
    // Probes are no load, whatever is answered.
    let probes = requests("new", "/readyz", 503, 100);
    let good = requests("new", "/v1/tweets", 201, 75);
    let failed = requests("new", "/v1/tweets", 503, 25);
    let all = [stable.clone(), probes.clone(), good.clone(), failed.clone()];
    expect(&queries["requests"], &all, Some(200.0));
    expect(&queries["errors"], &all, Some(0.25));
    expect(
        &queries["errors"],
        &[stable.clone(), probes.clone(), good.clone()],
        Some(0.0),
    );
    // Where all requests go to the canary, nothing is taken off.
    expect(&queries["errors"], &[probes.clone(), good, failed], Some(0.25));
    // No request is no answer, to the one question, and a small number, to the other.
    expect(&queries["errors"], &[stable.clone(), probes.clone()], None);
    expect(&queries["requests"], &[stable, probes], Some(0.0));
}

#[test]
fn slowness_is_told_in_proportion() {
    let Some(helm) = Program::find() else { return };
    let queries = queries(&helm, "tweet-ingest");
    let buckets = |version, bound: &str, growth| {
        let labels = format!(",http_route=\"/v1/tweets\",le=\"{bound}\"");
        let name = "http_server_request_duration_seconds_bucket";
        series("tweet-ingest", version, name, &labels, growth)
    };
    let of = |version, within: u32| {
        [
            buckets(version, "0.1", within),
            buckets(version, "1.0", 100),
            buckets(version, "+Inf", 100),
        ]
    };
    let slow = [of("old", 100), of("new", 0)].concat();
    expect(&queries["p99"], &slow, Some(0.991 / 0.099));
    // Ten times as slow as next to nothing is good enough: below 2.
    let quick = [buckets("old", "0.01", 100), buckets("old", "+Inf", 100)];
    let unnoticed = [quick.as_slice(), &of("new", 100)].concat();
    expect(&queries["p99"], &unnoticed, Some(0.099 / 0.05));
    let quiet = of("old", 100);
    expect(&queries["p99"], &quiet, None);
}

#[test]
fn deliveries_are_told_by_version() {
    let Some(helm) = Program::find() else { return };
    let queries = queries(&helm, "fan-out");
    let of = |version, name, labels, growth| series("fan-out", version, name, labels, growth);
    let tweets = [
        of("new", "rookery_tweets_fanned_out_total", ",mode=\"push\"", 20),
        of("old", "rookery_tweets_fanned_out_total", ",mode=\"push\"", 200),
    ];
    expect(&queries["tweets"], &tweets, Some(100.0));
    let lost = [
        of("new", "rookery_deliveries_unaccounted_total", "", 1),
        of("old", "rookery_deliveries_unaccounted_total", "", 0),
    ];
    expect(&queries["unaccounted"], &lost, Some(5.0));
    let audits = [series("timeline-read", "other", "rookery_audit_missing_total", "", 2)];
    expect(&queries["audits"], &audits, Some(10.0));
    expect(&queries["audits"], &tweets, Some(0.0));
}

//! What k8s/canary.sh makes of the metrics of pods: `k8s/canary-judge.awk`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::process::Command;

use crate::cargo::workspace_root;

/// Series of metrics and their values.
type Metrics = BTreeMap<String, f64>;

/// What a pod of a service with HTTP shows after so many requests, failed ones among them, that took at most so long.
fn requests(all: u32, failed: u32, seconds: f64) -> Metrics {
    let mut metrics = Metrics::new();
    for (status, count) in [(200, all - failed), (503, failed)] {
        let labels = format!(
            "http_request_method=\"GET\",http_route=\"/v1/timelines/home\",http_response_status_code=\"{status}\""
        );
        let name = "http_server_request_duration_seconds";
        metrics.insert(format!("{name}_count{{{labels}}}"), f64::from(count));
        for bound in telemetry_bounds() {
            let within = if seconds <= bound { count } else { 0 };
            let bound = if bound.is_infinite() {
                "+Inf".to_owned()
            } else {
                format!("{bound:?}")
            };
            metrics.insert(format!("{name}_bucket{{le=\"{bound}\",{labels}}}"), f64::from(within));
        }
    }
    // Whoever probes or scrapes is no load.
    let probes = "http_server_request_duration_seconds_count{http_request_method=\"GET\",http_route=\"/readyz\",\
                  http_response_status_code=\"503\"}";
    metrics.insert(probes.to_owned(), 5_000.0);
    metrics
}

fn telemetry_bounds() -> [f64; 6] {
    [0.01, 0.1, 0.25, 0.5, 1.0, f64::INFINITY]
}

/// What a pod of fan-out shows after so many tweets of ten followers each, some of whom were skipped, delivered within so long.
fn tweets(all: u32, skipped: u32, seconds: f64) -> Metrics {
    let mut metrics = Metrics::new();
    let mut set = |name: &str, value: u32| metrics.insert(name.to_owned(), f64::from(value));
    set("rookery_tweets_fanned_out_total{mode=\"push\"}", all);
    set(
        "rookery_deliveries_total{outcome=\"written\",reason=\"\"}",
        all * 10 - skipped,
    );
    set(
        "rookery_deliveries_total{outcome=\"skipped\",reason=\"no_timeline\"}",
        skipped,
    );
    for (bound, within) in [("1.0", 1.0), ("5.0", 5.0), ("60.0", 60.0), ("+Inf", f64::INFINITY)] {
        let count = if seconds <= within { all } else { 0 };
        set(
            &format!("rookery_delivery_seconds_bucket{{le=\"{bound}\",followers=\"below 100\"}}"),
            count,
        );
    }
    set("rookery_backlog_oldest_seconds", 0);
    set("rookery_books_difference_total{book=\"tweets\"}", 0);
    set("rookery_deliveries_unaccounted_total", 0);
    metrics
}

/// Metrics with another value in one series.
fn with(mut metrics: Metrics, series: &str, value: f64) -> Metrics {
    metrics.insert(series.to_owned(), value);
    metrics
}

/// The verdict on pods that had done nothing before; each is given by its folder and what it shows after.
fn verdict(unit: &str, pods: &[(&str, Metrics)]) -> String {
    let nothing = |metrics: &Metrics| metrics.keys().map(|series| (series.clone(), 0.0)).collect();
    let before: Vec<(&str, Metrics)> = pods.iter().map(|(track, metrics)| (*track, nothing(metrics))).collect();
    verdict_since(unit, &before, pods)
}

fn verdict_since(unit: &str, before: &[(&str, Metrics)], after: &[(&str, Metrics)]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let mut awk = Command::new("awk");
    awk.args(["-v", &format!("unit={unit}"), "-v", "enough=100", "-f"]);
    awk.arg(workspace_root().join("k8s/canary-judge.awk"));
    for (look, pods) in [("before", before), ("after", after)] {
        for (track, metrics) in pods {
            let path = folder.path().join(look).join(track);
            fs::create_dir_all(&path).unwrap();
            let mut text = String::from("# HELP is not counted 1\n");
            for (series, value) in metrics {
                writeln!(text, "{series} {value}").unwrap();
            }
            text.push_str("# EOF\n");
            let pod = path.join(format!("a-pod-of-{track}"));
            fs::write(&pod, text).unwrap();
            awk.arg(pod);
        }
    }
    let output = awk.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let (_figures, verdict) = said.trim_end().split_once('\n').unwrap();
    verdict.to_owned()
}

#[test]
fn as_good_as_the_others_is_good() {
    let pods = [("stable", requests(900, 3, 0.05)), ("canary", requests(100, 1, 0.05))];
    assert_eq!(verdict("requests", &pods), "good: 100 requests");
    let pods = [("stable", tweets(900, 90, 0.5)), ("canary", tweets(100, 20, 4.0))];
    assert_eq!(verdict("tweets", &pods), "good: 100 tweets");
}

#[test]
fn too_little_is_not_good() {
    let pods = [("stable", requests(900, 0, 0.05)), ("canary", requests(99, 0, 0.05))];
    assert_eq!(
        verdict("requests", &pods),
        "few: 99 requests are too few to say anything, 100 are enough"
    );
    assert!(verdict("requests", &[("stable", requests(900, 0, 0.05))]).starts_with("few: 0 requests"));
}

#[test]
fn failures_are_bad_even_if_little_is_done() {
    let few = [("stable", requests(900, 0, 0.05)), ("canary", requests(20, 10, 0.05))];
    assert_eq!(
        verdict("requests", &few),
        "bad: 50.0 % of its requests failed, of stable's 0.0 %"
    );
    let many = [("stable", requests(900, 0, 0.05)), ("canary", requests(300, 4, 0.05))];
    assert_eq!(
        verdict("requests", &many),
        "bad: 1.3 % of its requests failed, of stable's 0.0 %"
    );
}

#[test]
fn what_takes_the_others_with_it_is_bad() {
    let pods = [
        ("stable", requests(900, 100, 0.05)),
        ("canary", requests(100, 10, 0.05)),
    ];
    assert_eq!(
        verdict("requests", &pods),
        "bad: 10.0 % of its requests failed, as many as stable's"
    );
}

#[test]
fn slowness_is_bad_where_it_is_noticed() {
    let slow = [("stable", requests(900, 0, 0.1)), ("canary", requests(100, 0, 0.5))];
    assert_eq!(verdict("requests", &slow), "bad: its p99 is 498 ms, stable's 99 ms");
    let unnoticed = [("stable", requests(900, 0, 0.01)), ("canary", requests(100, 0, 0.1))];
    assert_eq!(verdict("requests", &unnoticed), "good: 100 requests");
    let both = [("stable", requests(900, 0, 1.0)), ("canary", requests(100, 0, 1.0))];
    assert_eq!(verdict("requests", &both), "good: 100 requests");
}

#[test]
fn late_deliveries_are_bad() {
    let pods = [("stable", tweets(900, 0, 0.5)), ("canary", tweets(100, 0, 30.0))];
    assert!(verdict("tweets", &pods).starts_with("bad: its deliveries have a p99 of 59450 ms"));
    let stuck = with(tweets(900, 0, 0.5), "rookery_backlog_oldest_seconds", 31.0);
    assert_eq!(
        verdict("tweets", &[("stable", stuck)]),
        "bad: the oldest event has waited for 31 s"
    );
}

#[test]
fn lost_deliveries_are_bad() {
    let stable = ("stable", tweets(900, 90, 0.5));
    let skips = [stable.clone(), ("canary", tweets(100, 300, 0.5))];
    assert_eq!(
        verdict("tweets", &skips),
        "bad: 30.0 % of its deliveries were skipped, of stable's 1.0 %"
    );

    let forgets = with(tweets(100, 0, 0.5), "rookery_deliveries_unaccounted_total", 2.0);
    let forgets = [stable.clone(), ("canary", forgets)];
    assert_eq!(
        verdict("tweets", &forgets),
        "bad: 2 of its deliveries were expected, and neither written nor skipped"
    );

    let unbalanced = with(
        tweets(900, 90, 0.5),
        "rookery_books_difference_total{book=\"tweets\"}",
        1.0,
    );
    let unbalanced = [("stable", unbalanced), ("canary", tweets(100, 0, 0.5))];
    assert_eq!(
        verdict("tweets", &unbalanced),
        "bad: the books do not balance any more, by 1"
    );

    let audited = Metrics::from([("rookery_audit_missing_total".to_owned(), 3.0)]);
    let audited = [stable, ("canary", tweets(100, 0, 0.5)), ("other", audited)];
    assert_eq!(
        verdict("tweets", &audited),
        "bad: audits found 3 entries of stored timelines missing or too many"
    );
}

#[test]
fn only_what_was_done_between_the_looks_counts() {
    let stable = ("stable", requests(900, 0, 0.05));
    let before = [("stable", requests(0, 0, 0.05)), ("canary", requests(900, 400, 0.05))];
    let good = [stable.clone(), ("canary", requests(1_000, 400, 0.05))];
    assert_eq!(verdict_since("requests", &before, &good), "good: 100 requests");
    // A process that was started anew counts from 0.
    let anew = [stable, ("canary", requests(120, 0, 0.05))];
    assert_eq!(verdict_since("requests", &before, &anew), "good: 120 requests");
}

#[test]
fn what_pods_did_before_they_were_looked_at_does_not_count() {
    let stable = ("stable", requests(900, 0, 0.05));
    let idle = ("stable", requests(0, 0, 0.05));
    let difference = "rookery_books_difference_total{book=\"tweets\"}";
    let come = Metrics::from([
        (difference.to_owned(), 3.0),
        ("rookery_audit_missing_total".to_owned(), 4.0),
    ]);
    let canary = with(requests(100, 0, 0.05), difference, 3.0);
    let after = [stable, ("canary", canary), ("other", come)];
    assert_eq!(verdict_since("requests", &[idle], &after), "good: 100 requests");
}

#[test]
fn nothing_is_compared_with_pods_that_did_little() {
    let pods = [("stable", requests(3, 0, 0.01)), ("canary", requests(100, 2, 0.5))];
    assert_eq!(
        verdict("requests", &pods),
        "few: 3 requests of stable's are too few to compare with, 100 are enough"
    );
    let failing = [("stable", requests(3, 0, 0.01)), ("canary", requests(100, 20, 0.5))];
    assert_eq!(verdict("requests", &failing), "bad: 20.0 % of its requests failed");
}

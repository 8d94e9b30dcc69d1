//! Whether alerts fire when they should, and whether each has its page.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo::workspace_root;
use crate::tools::{Promtool, Tool};

fn folder() -> PathBuf {
    workspace_root().join("monitoring")
}

fn read(name: &str) -> String {
    fs::read_to_string(folder().join(name)).unwrap()
}

/// What follows a key, wherever it stands in a file.
fn values(text: &str, key: &str) -> BTreeSet<String> {
    let lines = text.lines().map(|line| line.trim().trim_start_matches("- "));
    lines
        .filter_map(|line| line.strip_prefix(key))
        .map(|value| value.trim().to_owned())
        .collect()
}

#[test]
fn each_fires_when_it_should_and_only_then() {
    let Some(promtool) = Promtool.find() else {
        eprintln!("SKIPPED: there is no promtool; `cargo xtask test` installs it");
        return;
    };
    for arguments in [["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]] {
        let mut command = Command::new(&promtool);
        let output = command.args(arguments).current_dir(folder()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
    }
}

#[test]
fn each_has_a_page_and_a_case_of_either_kind() {
    let alerts = values(&read("alerts.yaml"), "alert:");
    let pages: BTreeSet<String> = fs::read_dir(workspace_root().join("docs/runbooks"))
        .unwrap()
        .map(|page| page.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
        .collect();
    assert_eq!(alerts, pages);
    let cases = read("alerts_test.yaml");
    for alert in &alerts {
        let of_it: Vec<&str> = cases
            .split("alertname: ")
            .filter(|case| case.starts_with(&format!("{alert}\n")))
            .collect();
        let quiet = of_it.iter().filter(|case| case.contains("exp_alerts: []")).count();
        assert!(
            quiet > 0 && quiet < of_it.len(),
            "{alert} has {quiet} quiet cases of {}",
            of_it.len()
        );
    }
}

#[test]
fn they_ask_for_metrics_that_there_are() {
    let page = fs::read_to_string(workspace_root().join("docs/metrics.md")).unwrap();
    for word in read("alerts.yaml").split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':') {
        let is_metric = word.starts_with("rookery_") || word.starts_with("http_server_");
        let name = word.trim_end_matches("_bucket").trim_end_matches("_count");
        assert!(!is_metric || page.contains(&format!("`{name}`")), "{word} is no metric");
    }
}

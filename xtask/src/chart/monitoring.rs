//! What the chart gives to the Prometheus operator and to Grafana. Its alerts and dashboards are those of `monitoring`, by
//! links. The operator's schemas are not at hand: that of its objects which is no copy is in a snapshot.

use std::fs;
use std::process::Command;

use super::helm::{Program, ci};
use crate::cargo::workspace_root;
use crate::tools::{Promtool, Tool};

/// The manifest of one template.
fn rendered(helm: &Program, template: &str) -> String {
    let template = format!("templates/{template}");
    helm.template(&ci("monitoring.yaml"), &["--show-only", &template])
}

/// What follows a line, without its indentation; empty lines have none.
fn below(text: &str, line: &str, indentation: usize) -> String {
    let mut lines = text.lines().skip_while(|text| *text != line).skip(1).peekable();
    assert!(lines.peek().is_some(), "no {line:?} in {text}");
    let lines = lines.map_while(|line| line.get(indentation..).or_else(|| line.trim().is_empty().then_some("")));
    lines.fold(String::new(), |text, line| text + line + "\n")
}

#[test]
fn the_alerts_are_those_that_are_tested() {
    let Some(helm) = Program::find() else { return };
    let alerts = fs::read_to_string(workspace_root().join("monitoring/alerts.yaml")).unwrap();
    let rule = rendered(&helm, "monitoring/prometheusrule.yaml");
    let spec = below(&rule, "spec:", 2);
    assert_eq!(spec, alerts);
    let Some(promtool) = Promtool.find() else {
        eprintln!("SKIPPED: there is no promtool; `cargo xtask test` installs it");
        return;
    };
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(&file, spec).unwrap();
    let output = Command::new(promtool)
        .args(["check", "rules"])
        .arg(file.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_dashboards_are_those_that_are_tested() {
    let Some(helm) = Program::find() else { return };
    let manifests = rendered(&helm, "monitoring/dashboards.yaml");
    let documents: Vec<&str> = manifests
        .split("---\n")
        .filter(|document| document.contains("kind: ConfigMap"))
        .collect();
    let files = fs::read_dir(workspace_root().join("monitoring/dashboards")).unwrap();
    let files: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    assert_eq!(documents.len(), files.len());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let key = format!("  rookery-{name}: |-");
        let document = documents.iter().find(|document| document.contains(&key));
        let document = document.unwrap_or_else(|| panic!("no {key} in {manifests}"));
        assert!(document.contains("\n    grafana_dashboard: \"1\"\n"), "{document}");
        assert_eq!(below(document, &key, 4), fs::read_to_string(&file).unwrap(), "{name}");
    }
}

#[test]
fn what_is_scraped_is_there() {
    let Some(helm) = Program::find() else { return };
    let monitor = rendered(&helm, "monitoring/podmonitor.yaml");
    let pods = rendered(&helm, "services.yaml");
    // As Prometheus writes a label of a pod: what is no letter, digit or underscore is one.
    let as_prometheus = |line: &str| -> Option<String> {
        let (label, _) = line.trim().split_once(": ")?;
        let plain = label.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        Some(format!("__meta_kubernetes_pod_label_{}", plain.collect::<String>()))
    };
    let labels: Vec<String> = pods.lines().filter_map(as_prometheus).collect();
    let sources = monitor.split("sourceLabels: [").skip(1);
    let sources: Vec<&str> = sources.filter_map(|rest| Some(rest.split_once(']')?.0)).collect();
    assert_eq!(sources.len(), 4, "{monitor}");
    for source in sources {
        let is_there = source == "__meta_kubernetes_pod_name" || labels.iter().any(|label| label == source);
        assert!(is_there, "no pod has {source}");
    }
    for target in ["service", "version", "track", "instance"] {
        assert!(monitor.contains(&format!("targetLabel: {target}}}")), "{monitor}");
    }
    assert!(monitor.contains("- port: internal\n") && pods.contains("{name: internal, containerPort: 8081}"));
}

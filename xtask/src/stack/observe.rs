//! What watches a stack: a Prometheus that scrapes its services, and a receiver of their traces.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::describe::{Description, OTLP_RECEIVER, PROMETHEUS, Process, SERVICES};
use super::folder::{Folder, create_private_dir, write_private};
use super::options::Options;
use super::{ready, services};
use crate::{cargo, tools};

const INFALLIBLE: &str = "a string takes all that is written";

/// Whom it scrapes, beside its configuration; it takes note when the file changes.
const TARGETS: &str = "targets.json";

/// The processes that the options ask for; they are still to be started. Traces that go elsewhere need no receiver.
pub(super) fn create(folder: &Folder, options: &Options, mut port: impl FnMut() -> u16) -> Result<Vec<Process>> {
    if !options.observe {
        return Ok(Vec::new());
    }
    let mut observers = vec![prometheus(folder, port())?];
    if !services::traces_go_elsewhere() {
        observers.push(receiver(folder, options, port()));
    }
    Ok(observers)
}

/// For the services' `otlp.endpoint`.
pub(super) fn traces_url(observers: &[Process]) -> Option<String> {
    let mut observers = observers.iter();
    let receiver = observers.find(|process| process.name == OTLP_RECEIVER)?;
    Some(receiver.internal_url.clone())
}

fn prometheus(folder: &Folder, port: u16) -> Result<Process> {
    let program = tools::ensure(&tools::Prometheus)?;
    let place = folder.prometheus();
    create_private_dir(&place)?;
    let configuration = place.join("prometheus.yml");
    write_private(&configuration, configuration_text().as_bytes())?;
    write_private(&place.join(TARGETS), b"[]")?;
    let arguments = [
        program.display().to_string(),
        format!("--config.file={}", configuration.display()),
        format!("--storage.tsdb.path={}", place.join("data").display()),
        "--storage.tsdb.retention.size=512MB".to_owned(),
        format!("--web.listen-address=127.0.0.1:{port}"),
    ];
    let url = format!("http://127.0.0.1:{port}");
    Ok(Process::new(folder, PROMETHEUS, 0, url, arguments.into()))
}

/// `rookery_build_info` says itself which service and version it speaks of (`honor_labels`).
fn configuration_text() -> String {
    let alerts = cargo::workspace_root().join("monitoring/alerts.yaml");
    let alerts = json!(alerts.display().to_string());
    format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 5s}}\n\
         rule_files: [{alerts}]\n\
         scrape_configs:\n  \
           - job_name: rookery\n    \
             honor_labels: true\n    \
             file_sd_configs: [{{files: [{TARGETS}]}}]\n"
    )
}

fn receiver(folder: &Folder, options: &Options, port: u16) -> Process {
    let arguments = [
        services::program(options, OTLP_RECEIVER),
        format!("--listen=127.0.0.1:{port}"),
        format!("--file={}", folder.spans().display()),
    ];
    let url = format!("http://127.0.0.1:{port}");
    Process::new(folder, OTLP_RECEIVER, 0, url, arguments.into())
}

/// Tells Prometheus whom to scrape: every replica, with the version that it says it is of.
pub(super) fn write_targets(folder: &Folder, stack: &Description) -> Result<()> {
    if stack.one(PROMETHEUS).is_none() {
        return Ok(());
    }
    let replicas = SERVICES.iter().flat_map(|service| stack.all(service));
    let targets: Vec<Value> = replicas.map(|index| target(&stack.processes[index])).collect();
    let text = serde_json::to_vec_pretty(&targets).context(TARGETS)?;
    write_private(&folder.prometheus().join(TARGETS), &text)
}

fn target(replica: &Process) -> Value {
    let metrics = ready::get(replica, "/metrics").unwrap_or_default();
    json!({
        "targets": [replica.internal_host()],
        "labels": {
            "service": replica.name,
            "instance": format!("{}-{}", replica.name, replica.replica),
            "version": version(&metrics).unwrap_or("unknown"),
        },
    })
}

/// What `rookery_build_info` says.
fn version(metrics: &str) -> Option<&str> {
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with("rookery_build_info{"))?;
    let (_, rest) = line.split_once("version=\"")?;
    Some(rest.split_once('"')?.0)
}

/// Lines for `up`.
pub(super) fn what_to_try(folder: &Folder, stack: &Description) -> String {
    let mut lines = String::new();
    if let Some(prometheus) = stack.one(PROMETHEUS) {
        let url = &prometheus.internal_url;
        writeln!(
            lines,
            "curl -sG {url}/api/v1/query --data-urlencode 'query=sum by (service) (rookery_build_info)'"
        )
        .expect(INFALLIBLE);
    }
    if stack.one(OTLP_RECEIVER).is_some() {
        let spans = folder.spans();
        writeln!(lines, "tail -f {}    # each span, as it ends", spans.display()).expect(INFALLIBLE);
    }
    lines
}

/// Lines for `status`.
pub(super) fn where_to_look(folder: &Folder, stack: &Description) -> String {
    let mut lines = String::new();
    if let Some(prometheus) = stack.one(PROMETHEUS) {
        writeln!(lines, "Prometheus: {}", prometheus.internal_url).expect(INFALLIBLE);
    }
    if stack.one(OTLP_RECEIVER).is_some() {
        writeln!(lines, "spans: {}", folder.spans().display()).expect(INFALLIBLE);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_what_the_process_says() {
        let metrics =
            "# HELP rookery_build_info The program\nrookery_build_info{service=\"fan-out\",version=\"1.2.3\"} 1\n";
        assert_eq!(version(metrics), Some("1.2.3"));
        assert_eq!(version("fan-out 1, asked directly"), None);
    }
}

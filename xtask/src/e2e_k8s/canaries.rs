//! New versions under load: a good one is taken, bad ones are rolled back, each for its reason.

use std::env;
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use super::E2eArguments;
use super::cluster::{Cluster, RELEASE};
use crate::cargo::workspace_root;

/// Of `k8s/canary.sh`.
const PROMOTED: i32 = 0;
const BAD: i32 = 1;
const TOO_LITTLE: i32 = 2;
const INTERRUPTED: i32 = 130;

/// A version that nobody minds, and several that must not stay.
pub(super) fn try_all(cluster: &Cluster, arguments: &E2eArguments) -> Result<()> {
    let new = arguments.new_tag.as_deref().unwrap_or(&arguments.tag);
    let read = |new: &[&str]| Canary::new(cluster, "timeline-read", new);
    read(&["--tag", new, "--steps", "25 100"]).ends_with(PROMOTED, "all pods of timeline-read are new")?;

    println!("xtask: a version that fails its requests");
    // Less than any look at a store takes; a pod is ready all the same.
    read(&["--set", "config.http.request_timeout_ms=1"]).ends_with(BAD, "of its requests failed")?;
    if let Some(tag) = &arguments.slow_tag {
        println!("xtask: a version that is slow");
        read(&["--tag", tag]).ends_with(BAD, "its p99 is")?;
    } else {
        println!("xtask: !!! SKIPPED: a version that is slow; --slow-tag names its image");
    }
    println!("xtask: a version that never becomes ready");
    let refused = [
        "--set",
        "config.timeline.pull_threshold=1",
        "--set",
        "config.timeline.push_threshold=2",
    ];
    read(&[refused.as_slice(), &["--timeout", "30s"]].concat()).ends_with(BAD, "it does not become ready")?;
    println!("xtask: a version that gets too few requests to be judged");
    let few = ["--tag", new, "--enough", "100000", "--patience", "15"];
    read(&few).ends_with(TOO_LITTLE, "too few")?;
    println!("xtask: a version whose trial is interrupted");
    read(&["--tag", new]).interrupt()?;

    if let Some(tag) = &arguments.losing_tag {
        println!("xtask: a version that loses deliveries");
        // Whether the books, its share of skipped deliveries or an audit tells first is a matter of chance.
        Canary::new(cluster, "fan-out", &["--tag", tag]).ends_with(BAD, "ROLLING BACK")
    } else {
        println!("xtask: !!! SKIPPED: a version that loses deliveries; --losing-tag names its image");
        Ok(())
    }
}

/// A run of the script.
struct Canary<'a> {
    cluster: &'a Cluster,
    service: &'static str,
    command: Command,
}

impl<'a> Canary<'a> {
    fn new(cluster: &'a Cluster, service: &'static str, new: &[&str]) -> Self {
        let mut command = Command::new(workspace_root().join("k8s/canary.sh"));
        command.args([
            "try",
            service,
            "--steps",
            "50",
            "--step-seconds",
            "20",
            "--enough",
            "50",
        ]);
        command.args(["--patience", "120"]).args(new);
        command.envs([("NAMESPACE", cluster.namespace()), ("RELEASE", RELEASE)]);
        command
            .env("KUBECONFIG", cluster.config())
            .env("PATH", path_with(cluster.programs()));
        command.stdout(Stdio::piped());
        Self {
            cluster,
            service,
            command,
        }
    }

    /// Runs it to its end, which must be this, and said so.
    fn ends_with(mut self, code: i32, reason: &str) -> Result<()> {
        let child = self.command.spawn().context("k8s/canary.sh")?;
        let said = self.outcome(child, code, |_, _| Ok(()))?;
        ensure!(said.contains(reason), "it does not say {reason:?}");
        Ok(())
    }

    /// Ctrl-C while requests go to it.
    fn interrupt(mut self) -> Result<()> {
        let child = self.command.spawn().context("k8s/canary.sh")?;
        let said = self.outcome(child, INTERRUPTED, |line, pid| {
            if line.contains("% of requests go to it") {
                rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
            }
            Ok(())
        })?;
        ensure!(said.contains("it was interrupted"), "it does not say why");
        Ok(())
    }

    /// What it says until it ends; afterwards there is no canary, whatever the end was.
    fn outcome(
        &self,
        mut child: Child,
        code: i32,
        at: impl Fn(&str, rustix::process::Pid) -> Result<()>,
    ) -> Result<String> {
        let pid = rustix::process::Pid::from_child(&child);
        let output = child.stdout.take().context("its output")?;
        let mut said = String::new();
        for line in BufReader::new(output).lines() {
            let line = line.context("its output")?;
            if line.starts_with("canary: ") {
                println!("{line}");
            }
            at(&line, pid)?;
            said.push_str(&line);
            said.push('\n');
        }
        let status = child.wait().context("k8s/canary.sh was lost")?;
        if status.code() != Some(code) {
            bail!("k8s/canary.sh ends with {status}, not {code}:\n{said}");
        }
        let deployment = format!("deployment/{RELEASE}-{}-canary", self.service);
        let left = self
            .cluster
            .kubectl(&["get", &deployment, "--ignore-not-found", "--output", "name"])?;
        ensure!(left.is_empty(), "it has left {left}");
        self.cluster
            .wait_for(&format!("deployment/{RELEASE}-{}", self.service))?;
        Ok(said)
    }
}

/// The search path with the folders of some programs before it.
fn path_with(programs: [&PathBuf; 2]) -> OsString {
    let before = programs
        .into_iter()
        .filter_map(|program| program.parent().map(PathBuf::from));
    let path = env::var_os("PATH").unwrap_or_default();
    // What was split by the separator has none in it, and neither has a folder of ours.
    env::join_paths(before.chain(env::split_paths(&path))).unwrap_or(path)
}

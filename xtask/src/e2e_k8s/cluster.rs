//! Calls of Helm and kubectl, in one namespace.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{chart, tools};

/// The release's name.
pub(super) const RELEASE: &str = "rookery";

/// A namespace of the cluster.
pub(super) struct Cluster {
    config: String,
    helm: PathBuf,
    kubectl: PathBuf,
    namespace: String,
}

impl Cluster {
    /// Makes the namespace, which enforces restricted Pod Security.
    pub(super) fn open(config: &str, namespace: String) -> Result<Self> {
        println!("xtask: the cluster of {config}, in the namespace {namespace}");
        let cluster = Self {
            config: config.to_owned(),
            helm: tools::ensure(&tools::Helm)?,
            kubectl: tools::ensure(&tools::Kubectl)?,
            namespace,
        };
        cluster.kubectl(&["create", "namespace", &cluster.namespace])?;
        let label = "pod-security.kubernetes.io/enforce=restricted";
        cluster.kubectl(&["label", "namespace", &cluster.namespace, label])?;
        Ok(cluster)
    }

    pub(super) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The file that says where it is.
    pub(super) fn config(&self) -> &str {
        &self.config
    }

    /// Helm and kubectl.
    pub(super) fn programs(&self) -> [&PathBuf; 2] {
        [&self.helm, &self.kubectl]
    }

    /// Runs kubectl; answers what it prints.
    pub(super) fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.run(&mut Command::new(&self.kubectl), arguments)
    }

    /// Runs Helm; answers what it prints.
    pub(super) fn helm(&self, arguments: &[&str]) -> Result<String> {
        self.run(&mut Command::new(&self.helm), arguments)
    }

    /// Installs or upgrades the release, beside what is set already, and waits until it serves.
    pub(super) fn deploy(&self, values: &[String], timeout: &str) -> Result<()> {
        let chart = chart::folder();
        let chart = chart.to_str().context("the chart's folder")?;
        let mut arguments = vec!["upgrade", RELEASE, chart, "--install", "--reuse-values", "--wait"];
        arguments.extend(["--timeout", timeout]);
        arguments.extend(values.iter().flat_map(|value| ["--set", value]));
        self.helm(&arguments).map(drop)
    }

    /// Names of the pods of a component.
    pub(super) fn pods(&self, component: &str) -> Result<Vec<String>> {
        let selector = format!("app.kubernetes.io/component={component}");
        let names = self.kubectl(&["get", "pods", "--selector", &selector, "--output", "name"])?;
        Ok(names.lines().map(str::to_owned).collect())
    }

    /// Waits until all pods of a Deployment or `StatefulSet` are ready.
    pub(super) fn wait_for(&self, object: &str) -> Result<()> {
        self.kubectl(&["rollout", "status", object, "--timeout=3m"]).map(drop)
    }

    /// Prints what there is, for whoever looks for the reason of a failure.
    pub(super) fn show(&self) {
        let logs = [
            "logs",
            "--selector",
            "app.kubernetes.io/name=rookery",
            "--prefix",
            "--tail=10",
        ];
        for arguments in [
            ["get", "pods", "--output", "wide"].as_slice(),
            &["get", "events"],
            &logs,
        ] {
            match self.kubectl(arguments) {
                Ok(text) => eprintln!("{text}"),
                Err(error) => eprintln!("{error:#}"),
            }
        }
    }

    fn run(&self, command: &mut Command, arguments: &[&str]) -> Result<String> {
        command
            .args(["--kubeconfig", &self.config, "--namespace", &self.namespace])
            .args(arguments);
        let output = command.output().with_context(|| format!("{command:?}"))?;
        if !output.status.success() {
            bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        String::from_utf8(output.stdout).context("what it prints is no text")
    }
}

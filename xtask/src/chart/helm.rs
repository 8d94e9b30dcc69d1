//! Calls of Helm, for tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::folder;
use crate::cargo::workspace_root;
use crate::tools::{Helm, Tool};

/// Helm, if it is there.
pub(super) struct Program(PathBuf);

impl Program {
    /// Says loudly that it isn't there.
    pub(super) fn find() -> Option<Self> {
        let found = Helm.find().map(Self);
        if found.is_none() {
            eprintln!("SKIPPED: there is no helm; `cargo xtask test` installs it");
        }
        found
    }

    /// What it makes of the chart with arguments.
    pub(super) fn output(&self, command: &[&str], arguments: &[&str]) -> Output {
        let mut helm = Command::new(&self.0);
        helm.args(command).arg(folder()).args(arguments);
        helm.output().unwrap()
    }

    /// The manifests of a values file.
    pub(super) fn template(&self, values: &Path, arguments: &[&str]) -> String {
        let values = ["--namespace", "rookery", "--values", values.to_str().unwrap()];
        let output = self.output(&["template", "rookery"], &[&values, arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// A values file under `ci`.
pub(super) fn ci(name: &str) -> PathBuf {
    folder().join("ci").join(name)
}

/// The values files that the chart is checked with: its own, and the example of a production.
pub(super) fn values_files() -> Vec<PathBuf> {
    let files = fs::read_dir(ci("")).unwrap();
    let mut paths: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    paths.push(workspace_root().join("k8s/values-production.yaml"));
    paths
}

//! Calls of Helm, for tests.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use super::folder;
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

    /// The manifests of a values file under `ci`.
    pub(super) fn template(&self, values: &str, arguments: &[&str]) -> String {
        let file = folder().join("ci").join(values);
        let values = ["--namespace", "rookery", "--values", file.to_str().unwrap()];
        let output = self.output(&["template", "rookery"], &[&values, arguments].concat());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }
}

/// The values files that the chart is checked with, by name.
pub(super) fn values_files() -> Vec<String> {
    let files = fs::read_dir(folder().join("ci")).unwrap();
    let mut names: Vec<String> = files
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

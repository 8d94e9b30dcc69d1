//! `cargo xtask doc-check`: the commands of README.md work as they are printed.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::{cargo, tools};

/// Runs the one test that pastes README's commands into a shell; `cargo xtask test` runs it among all others.
pub(crate) fn run() -> Result<ExitCode> {
    tools::ensure(&tools::Curl)?;
    let mut command = cargo::command();
    command.args(["test", "--package", "all-in-one", "--test", "readme"]);
    cargo::announce(&command);
    let status = command.status().context("cargo could not be started")?;
    Ok(cargo::exit_code(status))
}

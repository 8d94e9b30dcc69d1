//! `cargo xtask model`: enumerates the interleavings of the crossing (`libs/crossing-model`), optimised.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;

use crate::cargo;

/// What to enumerate.
#[derive(Args)]
pub(crate) struct ModelArguments {
    /// Options of the program: `cargo xtask model -- --help`.
    #[arg(last = true)]
    options: Vec<String>,
}

/// Enumerates; fails when a promise is broken.
pub(crate) fn run(arguments: &ModelArguments) -> Result<ExitCode> {
    let mut command = cargo::command();
    command.args(["run", "--release", "--package", "crossing-model", "--"]);
    command.args(&arguments.options);
    cargo::announce(&command);
    let status = command.status().context("the model could not be started")?;
    Ok(cargo::exit_code(status))
}

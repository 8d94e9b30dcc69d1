//! `cargo xtask stack`: the whole production shape on one machine, without containers.
//!
//! PostgreSQL, Redis (or Valkey), replicas of the four services and a load balancer, all on loopback. Everything that
//! belongs to a stack is in one folder, `target/stack`; `stack.json` in it says what runs and how each process is started
//! again. With `--observe` a Prometheus and a receiver of traces belong to it. Processes outlive whoever starts them. They carry the folder's name in their environment, by which they are
//! found, also those that somebody else has started again.

mod describe;
mod down;
mod folder;
mod keys;
mod load_balancer;
mod observe;
mod options;
mod plan;
mod processes;
mod ready;
mod redis_cluster;
mod services;
mod status;
mod up;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};

pub(crate) use describe::SERVICES;

use describe::Description;
use folder::Folder;
use options::UpArguments;

/// What to do with a stack.
#[derive(Args)]
pub(crate) struct StackArguments {
    /// Where the stack lives; each folder has its own.
    #[arg(long, global = true, value_name = "DIR", default_value = "target/stack")]
    dir: PathBuf,
    #[command(subcommand)]
    command: StackCommand,
}

#[derive(Subcommand)]
enum StackCommand {
    /// Start it, wait until all of it is ready, and say what to try. Over a running stack: start what died.
    Up(UpArguments),
    /// End all of it and remove its folder.
    Down {
        /// Keep data, keys and logs for the next `up`.
        #[arg(long)]
        keep: bool,
    },
    /// Show what runs; fails unless all of it is ready.
    Status,
}

/// Where the Prometheus of the stack in this folder is.
pub(crate) fn prometheus_url(folder: &Path) -> Result<String> {
    let stack = Description::read(&Folder::new(folder))?;
    let prometheus = stack.as_ref().and_then(|stack| stack.one(describe::PROMETHEUS));
    let prometheus = prometheus.context("no Prometheus: `cargo xtask stack up --observe` starts one")?;
    Ok(prometheus.internal_url.clone())
}

/// Does it.
pub(crate) fn run(arguments: &StackArguments) -> Result<ExitCode> {
    if !cfg!(target_os = "linux") {
        bail!("`stack` finds its processes in /proc, which only Linux has; `docker compose up` has the same shape");
    }
    let folder = Folder::new(&arguments.dir);
    match &arguments.command {
        StackCommand::Up(options) => up::run(&folder, options),
        StackCommand::Down { keep } => down::run(&folder, *keep),
        StackCommand::Status => status::run(&folder),
    }
}

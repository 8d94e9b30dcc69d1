//! `cargo xtask bench NAME`: the benchmarks, by name.

use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;

use crate::cargo;

/// What can be measured, and what it tells. `load-tests` does the measuring.
const BENCHMARKS: [(&str, &str); 8] = [
    (
        "posts",
        "durable tweets a second, through the tweet store and over HTTP",
    ),
    (
        "deliveries",
        "deliveries a second of the fan-out worker: 100,000 accounts with 75 followers each",
    ),
    (
        STACK,
        "deliveries a second of a stack on PostgreSQL and Redis, beside redis-benchmark, and what they cost Redis",
    ),
    (
        "home-reads",
        "home timeline reads a second, beside a handler that does nothing but answer as many bytes",
    ),
    (
        "sustained-load",
        "12,000 durable tweets a second for a minute, 75 followers each: how late each is in all timelines",
    ),
    (
        TELEMETRY,
        "what traces cost posts, deliveries and home reads: off, none recorded, one in a hundred, all",
    ),
    (
        "timeline-bytes",
        "memory that a full home timeline takes, for each entry",
    ),
    ("import", "time and memory to import a follow graph"),
];

/// Those that start programs as processes, built together with them, from the folder that they are in themselves.
const STACK: &str = "stack-deliveries";
const TELEMETRY: &str = "telemetry-cost";

/// Which benchmark.
#[derive(Args)]
pub(crate) struct BenchArguments {
    /// Its name; none lists them.
    name: Option<String>,
    /// Options of the benchmark: `cargo xtask bench NAME -- --help`.
    #[arg(last = true)]
    options: Vec<String>,
}

/// Runs it, or lists them all.
pub(crate) fn run(arguments: &BenchArguments) -> Result<ExitCode> {
    let Some(name) = &arguments.name else {
        println!("{}", list());
        return Ok(ExitCode::SUCCESS);
    };
    if !BENCHMARKS.iter().any(|(known, _)| known == name) {
        bail!("there is no benchmark {name:?}; there are:\n{}", list());
    }
    let programs: &[&str] = match name.as_str() {
        STACK => &["--workspace"],
        TELEMETRY => &["--package", "all-in-one", "--package", "load-tests"],
        _ => &[],
    };
    let mut command = if programs.is_empty() {
        let mut command = cargo::command();
        command.args([
            "run",
            "--release",
            "--package",
            "load-tests",
            "--bin",
            "rookery-bench",
            "--",
        ]);
        command
    } else {
        let mut build = cargo::command();
        build.args(["build", "--release", "--bins"]).args(programs);
        cargo::announce(&build);
        ensure!(build.status()?.success(), "the programs could not be built");
        Command::new(cargo::target_dir().join("release/rookery-bench"))
    };
    command.arg(name);
    command.args(&arguments.options);
    cargo::announce(&command);
    let status = command.status().context("the benchmark could not be started")?;
    Ok(cargo::exit_code(status))
}

fn list() -> String {
    BENCHMARKS.map(|(name, what)| format!("  {name:<18}{what}")).join("\n")
}

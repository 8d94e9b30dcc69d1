//! `cargo xtask oracle`: random histories against the system on its embedded stores, for as many steps as one likes.
//!
//! It runs the tests of `services/all-in-one/tests/oracle.rs` again and again with other seeds. What a run has done stands in its
//! output, so one that was broken off is gone on with from there.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo;

/// How many histories of each kind run before the seed moves on, in multiples of what a test runs.
const TIMES: u64 = 5;

/// No test takes more seeds than this, each time.
const SEEDS: u64 = 12;

/// How long.
#[derive(Args)]
pub(crate) struct OracleArguments {
    /// Steps, at least.
    #[arg(long, default_value_t = 100_000)]
    steps: u64,
    /// The first seed: where an earlier run has got to, or one that failed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs histories; ends at the first that fails.
pub(crate) fn run(arguments: &OracleArguments) -> Result<ExitCode> {
    ensure!(
        oracle().arg("--no-run").status()?.success(),
        "the tests could not be built"
    );
    let (mut seed, mut done) = (arguments.seed, 0);
    while done < arguments.steps {
        let mut command = oracle();
        command.env("ROOKERY_ORACLE_SEED", seed.to_string());
        command.env("ROOKERY_ORACLE_CASES", TIMES.to_string());
        // Ten thousand short ones run as they are.
        command.args(["--", "--nocapture", "--skip", "short_histories"]);
        let output = command.stderr(Stdio::inherit()).output().context("cargo was lost")?;
        let said = String::from_utf8_lossy(&output.stdout);
        done += said.lines().filter_map(steps_of).sum::<u64>();
        if !output.status.success() {
            println!("{said}");
            println!("xtask: a history differs; again: cargo xtask oracle --seed {seed}");
            return Ok(ExitCode::FAILURE);
        }
        seed += TIMES * SEEDS;
        println!("xtask: {done} steps, no difference; to go on from here: --seed {seed}");
    }
    Ok(ExitCode::SUCCESS)
}

/// `crossing: 12 histories, 1320 steps` is what a test says.
fn steps_of(line: &str) -> Option<u64> {
    let (_, counts) = line.split_once(" histories, ")?;
    counts.strip_suffix(" steps")?.parse().ok()
}

fn oracle() -> Command {
    let mut command = cargo::command();
    command.args(["test", "--quiet", "-p", "all-in-one", "--test", "oracle"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_read_from_what_tests_say() {
        assert_eq!(steps_of("crossing: 12 histories, 1320 steps"), Some(1_320));
        assert_eq!(steps_of("test crossing_loses_nothing ... ok"), None);
    }
}

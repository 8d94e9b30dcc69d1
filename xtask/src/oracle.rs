//! `cargo xtask oracle`: random histories against the system, on its embedded stores or as a stack of processes, for as many
//! steps as one likes.
//!
//! It runs the tests that `cargo xtask test` runs too, again and again with other seeds. What a run has done stands in its
//! output, so one that was broken off is gone on with from there.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo;

/// How many histories of each kind run before the seed moves on, in multiples of what a test runs.
const TIMES: u64 = 5;

/// How long.
#[derive(Args)]
pub(crate) struct OracleArguments {
    /// Steps, at least.
    #[arg(long, default_value_t = 100_000)]
    steps: u64,
    /// The first seed: where an earlier run has got to, or one that failed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Against a stack of processes on PostgreSQL and Redis, which are killed meanwhile.
    #[arg(long)]
    stack: bool,
}

/// Runs histories; ends at the first that fails.
pub(crate) fn run(arguments: &OracleArguments) -> Result<ExitCode> {
    let tests = if arguments.stack { STACK } else { EMBEDDED };
    tests.build()?;
    let (mut seed, mut done) = (arguments.seed, 0);
    while done < arguments.steps {
        let mut command = tests.command();
        command.env("ROOKERY_ORACLE_SEED", seed.to_string());
        command.env("ROOKERY_ORACLE_CASES", TIMES.to_string());
        let output = command.stderr(Stdio::inherit()).output().context("cargo was lost")?;
        let said = String::from_utf8_lossy(&output.stdout);
        done += said.lines().filter_map(steps_of).sum::<u64>();
        if !output.status.success() {
            println!("{said}");
            let stack = if arguments.stack { " --stack" } else { "" };
            println!("xtask: a history differs; again: cargo xtask oracle{stack} --seed {seed}");
            return Ok(ExitCode::FAILURE);
        }
        seed += TIMES * tests.seeds;
        println!("xtask: {done} steps, no difference; to go on from here: --seed {seed}");
    }
    Ok(ExitCode::SUCCESS)
}

/// Tests that run histories.
struct Tests {
    package: &'static str,
    target: &'static str,
    /// What the test binary is asked for.
    filter: &'static [&'static str],
    /// No test takes more seeds than this, each time.
    seeds: u64,
    /// Whether they start the workspace's programs.
    programs: bool,
}

const EMBEDDED: Tests = Tests {
    package: "all-in-one",
    target: "oracle",
    // Ten thousand short ones run as they are.
    filter: &["--skip", "short_histories"],
    seeds: 12,
    programs: false,
};

const STACK: Tests = Tests {
    package: "load-tests",
    target: "stack",
    filter: &["oracle::"],
    seeds: 34,
    programs: true,
};

impl Tests {
    fn build(&self) -> Result<()> {
        if self.programs {
            let status = cargo::command().args(["build", "--workspace", "--bins"]).status()?;
            ensure!(status.success(), "the programs could not be built");
        }
        let status = self.cargo().arg("--no-run").status()?;
        ensure!(status.success(), "the tests could not be built");
        Ok(())
    }

    fn command(&self) -> Command {
        let mut command = self.cargo();
        command.args(["--", "--nocapture"]).args(self.filter);
        if self.programs {
            command.env("ROOKERY_TEST_PROGRAMS", cargo::target_dir().join("debug"));
        }
        command
    }

    fn cargo(&self) -> Command {
        let mut command = cargo::command();
        command.args(["test", "--quiet", "-p", self.package, "--test", self.target]);
        command
    }
}

/// `crossing: 12 histories, 1320 steps` is what a test says.
fn steps_of(line: &str) -> Option<u64> {
    let (_, counts) = line.split_once(" histories, ")?;
    counts.strip_suffix(" steps")?.parse().ok()
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

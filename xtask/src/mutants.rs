//! `cargo xtask mutants`: plants known faults, one at a time, and sees whether the tests find them.
//!
//! A fault is a patch in `xtask/mutants`. One that is named after a trap (`trap-04-…`) takes away the guard of that trap, and
//! the trap's own tests must fail (`docs/traps.md`); all others must be found by the comparison with the oracle. A fault is
//! planted in a worktree of what is committed, never in the files at hand. A patch that no longer applies, or builds, is an
//! error: a fault that was not planted says nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::cargo;

/// Which faults.
#[derive(Args)]
pub(crate) struct MutantsArguments {
    /// Only faults whose names contain this.
    filter: Option<String>,
}

/// Plants each fault; fails when one goes unnoticed.
pub(crate) fn run(arguments: &MutantsArguments) -> Result<ExitCode> {
    let patches = patches(arguments.filter.as_deref().unwrap_or_default())?;
    let tree = Worktree::add()?;
    println!("xtask: without a fault the tests must find none");
    let checks: BTreeSet<Check> = patches.iter().map(|patch| Check::of(patch)).collect();
    for check in &checks {
        let found = tree.find(check)?;
        ensure!(found.is_none(), "they find one: {}", found.unwrap_or_default());
    }
    let mut unnoticed = 0;
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        tree.apply(patch, false)?;
        let found = tree
            .find(&Check::of(patch))
            .with_context(|| format!("with the fault {name}"))?;
        tree.apply(patch, true)?;
        unnoticed += u32::from(found.is_none());
        println!("{:10} {name}: {}", verdict(found.is_some()), found.unwrap_or_default());
    }
    println!("{} planted, {unnoticed} not caught", patches.len());
    Ok(if unnoticed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn verdict(caught: bool) -> &'static str {
    if caught { "caught" } else { "NOT CAUGHT" }
}

fn patches(filter: &str) -> Result<Vec<PathBuf>> {
    let folder = cargo::workspace_root().join("xtask/mutants");
    let files = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut patches = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
    patches.retain(|patch| patch.to_string_lossy().contains(filter));
    patches.sort();
    ensure!(
        !patches.is_empty(),
        "no fault in {} has {filter:?} in its name",
        folder.display()
    );
    Ok(patches)
}

/// What must find a fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Check {
    /// The comparison with the oracle.
    Oracle,
    /// The tests whose names begin like this.
    Trap(String),
}

impl Check {
    fn of(patch: &Path) -> Self {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        match name.split('-').collect::<Vec<_>>().as_slice() {
            ["trap", number, ..] => Self::Trap(format!("trap_{number}_")),
            _ => Self::Oracle,
        }
    }

    /// What `cargo test` is told.
    fn arguments(&self) -> Vec<&str> {
        match self {
            Self::Oracle => vec!["--test", "oracle"],
            Self::Trap(tests) => vec!["--test", "traps", tests],
        }
    }

    /// What the output of a test that fails says of its fault, if it has failed as it should.
    fn finding<'a>(&self, output: &'a str) -> Option<&'a str> {
        let mut lines = output.lines();
        match self {
            Self::Oracle => lines.find(|line| line.contains(" fails at step ")),
            // The panic of the test itself comes with its name.
            Self::Trap(tests) => lines.find(|line| line.contains(tests.as_str()) && line.contains(" panicked at ")),
        }
    }
}

/// The committed state, in a folder of its own. It goes with this value; what was built is kept for the next time.
pub(crate) struct Worktree {
    path: PathBuf,
}

impl Worktree {
    pub(crate) fn add() -> Result<Self> {
        let tree = Self {
            path: cargo::target_dir().join("mutants/tree"),
        };
        // One may lie there of a run that was killed.
        tree.remove();
        let mut git = git(&cargo::workspace_root());
        run_to_success(
            git.args(["worktree", "add", "--detach", "--force"])
                .arg(&tree.path)
                .arg("HEAD"),
        )?;
        Ok(tree)
    }

    fn remove(&self) {
        let mut git = git(&cargo::workspace_root());
        let _ = git.args(["worktree", "remove", "--force"]).arg(&self.path).output();
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn apply(&self, patch: &Path, reverse: bool) -> Result<()> {
        let mut git = git(&self.path);
        git.arg("apply").args(reverse.then_some("--reverse")).arg(patch);
        run_to_success(&mut git).with_context(|| format!("{} does not apply: mend the patch", patch.display()))
    }

    /// What the tests find first, if anything.
    fn find(&self, check: &Check) -> Result<Option<String>> {
        run_to_success(self.tests(check).arg("--no-run"))?;
        let output = self.tests(check).output().context("cargo was lost")?;
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        if output.status.success() {
            ensure!(!said.contains("running 0 tests"), "there is no test for {check:?}");
            return Ok(None);
        }
        let found = check.finding(&said);
        let found = found.with_context(|| format!("the tests fail, but not in finding a fault:\n{said}"))?;
        Ok(Some(found.to_owned()))
    }

    fn tests(&self, check: &Check) -> Command {
        let mut command = cargo::command();
        command.current_dir(&self.path);
        command
            .args(["test", "--quiet", "-p", "all-in-one"])
            .args(check.arguments());
        command.env("CARGO_TARGET_DIR", cargo::target_dir().join("mutants/target"));
        command.env("ROOKERY_ORACLE_SHRINK_SECONDS", "0");
        command
    }
}

impl Drop for Worktree {
    fn drop(&mut self) {
        self.remove();
    }
}

fn git(folder: &Path) -> Command {
    let mut command = Command::new("git");
    command.current_dir(folder);
    command
}

fn run_to_success(command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("{command:?} cannot be run"))?;
    ensure!(status.success(), "{command:?} failed ({status})");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_can_be_planted() {
        for patch in patches("").unwrap() {
            let mut git = git(&cargo::workspace_root());
            run_to_success(git.args(["apply", "--check"]).arg(patch)).unwrap();
        }
    }

    #[test]
    fn a_fault_is_found_by_the_tests_of_its_trap_or_by_the_oracle() {
        let of = |name: &str| Check::of(&Path::new("xtask/mutants").join(name));
        assert_eq!(of("trap-04-backfill-at-once.patch"), Check::Trap("trap_04_".to_owned()));
        assert_eq!(of("skip-a-filter.patch"), Check::Oracle);
    }

    #[test]
    fn traps_whose_tests_run_here_have_a_fault_each() {
        let checks: BTreeSet<Check> = patches("trap-").unwrap().iter().map(|patch| Check::of(patch)).collect();
        // The tests of the others are elsewhere: they need the whole API, or a contract's adapters.
        let expected = (1..=24).filter(|number| ![16, 20, 21].contains(number));
        let expected = expected.map(|number| Check::Trap(format!("trap_{number:02}_")));
        assert_eq!(checks, expected.collect());
    }
}

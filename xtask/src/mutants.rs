//! `cargo xtask mutants`: plants known faults, one at a time, and sees whether the comparison with the oracle finds them.
//!
//! A fault is a patch in `xtask/mutants`. It is planted in a worktree of what is committed, never in the files at hand. A
//! patch that no longer applies, or builds, is an error: a fault that was not planted says nothing.

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
    println!("xtask: without a fault the comparison must find none");
    let found = tree.compare()?;
    ensure!(found.is_none(), "it finds one: {}", found.unwrap_or_default());
    let mut unnoticed = 0;
    for patch in &patches {
        let name = patch.file_stem().unwrap_or_default().to_string_lossy();
        tree.apply(patch, false)?;
        let found = tree.compare().with_context(|| format!("with the fault {name}"))?;
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

/// The committed state, in a folder of its own. It goes with this value; what was built is kept for the next time.
struct Worktree {
    path: PathBuf,
}

impl Worktree {
    fn add() -> Result<Self> {
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

    fn apply(&self, patch: &Path, reverse: bool) -> Result<()> {
        let mut git = git(&self.path);
        git.arg("apply").args(reverse.then_some("--reverse")).arg(patch);
        run_to_success(&mut git).with_context(|| format!("{} does not apply: mend the patch", patch.display()))
    }

    /// What the comparison finds first, if anything.
    fn compare(&self) -> Result<Option<String>> {
        run_to_success(self.oracle().arg("--no-run"))?;
        let output = self.oracle().output().context("cargo was lost")?;
        if output.status.success() {
            return Ok(None);
        }
        let said = format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        let found = said.lines().find(|line| line.contains(" fails at step "));
        let found = found.with_context(|| format!("the tests fail, but not in comparing:\n{said}"))?;
        Ok(Some(found.to_owned()))
    }

    fn oracle(&self) -> Command {
        let mut command = cargo::command();
        command.current_dir(&self.path);
        command.args(["test", "--quiet", "-p", "all-in-one", "--test", "oracle"]);
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
}

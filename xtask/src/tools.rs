//! Programs that the commands need beside cargo: found where they are installed, installed where they are not.
//!
//! A tool is a type of its own in a file of its own; a command calls [`ensure`] for each that it is about to use, so
//! nothing is installed before it is needed.

mod curl;
mod haproxy;
mod helm;
mod packages;
mod postgres;
mod prometheus;
mod python;
mod redis;
mod setpriv;
mod shellcheck;
mod valkey;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

pub(crate) use curl::Curl;
pub(crate) use haproxy::HaProxy;
pub(crate) use helm::{Helm, Kubectl};
pub(crate) use postgres::Postgres;
pub(crate) use prometheus::{Prometheus, Promtool};
pub(crate) use python::{CHECKOV, HADOLINT, KUBERNETES_VALIDATE, ZIZMOR};
pub(crate) use redis::Redis;
pub(crate) use setpriv::SetPriv;
pub(crate) use shellcheck::ShellCheck;
pub(crate) use valkey::Valkey;

/// A program.
pub(crate) trait Tool {
    /// What one would type.
    fn name(&self) -> &'static str;

    /// What it is needed for, to end the sentence "… is needed".
    fn purpose(&self) -> &'static str;

    /// Where it is.
    fn find(&self) -> Option<PathBuf> {
        on_path(self.name())
    }

    /// Gets it.
    fn install(&self) -> Result<()>;
}

/// Finds a tool, or installs it, and says which.
pub(crate) fn ensure(tool: &dyn Tool) -> Result<PathBuf> {
    let (name, purpose) = (tool.name(), tool.purpose());
    if let Some(path) = tool.find() {
        eprintln!("xtask: {name} found: {}", path.display());
        return Ok(path);
    }
    eprintln!("xtask: {name} is needed {purpose} and not there: installing it");
    tool.install()
        .with_context(|| format!("{name} is needed {purpose} and could not be installed: please install it by hand"))?;
    match tool.find() {
        Some(path) => Ok(path),
        None => bail!("{name} was installed and still can't be found"),
    }
}

/// Finds a tool that one can do without, or installs it; says loudly that it is missing where neither can be done.
pub(crate) fn ensure_optional(tool: &dyn Tool) -> Option<PathBuf> {
    ensure(tool)
        .inspect_err(|error| eprintln!("xtask: !!! SKIPPED: what needs {}: {error:#}", tool.name()))
        .ok()
}

/// The first program of this name in the folders of `PATH`.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH")?;
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// A server's program is often where only root's `PATH` leads.
fn in_system_folders(name: &str) -> Option<PathBuf> {
    ["/usr/sbin", "/usr/local/sbin", "/sbin"]
        .iter()
        .map(|folder| Path::new(folder).join(name))
        .find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_on_the_path() {
        assert!(on_path("sh").is_some());
        assert_eq!(on_path("no-such-program-anywhere"), None);
    }
}

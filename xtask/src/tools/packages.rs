//! The system's package manager.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::on_path;

/// Package managers, and how each installs a package without asking.
const MANAGERS: [(&str, &[&str]); 4] = [
    ("apt-get", &["install", "--yes", "--no-install-recommends"]),
    ("dnf", &["install", "--assumeyes"]),
    ("apk", &["add"]),
    ("brew", &["install"]),
];

/// Installs a package, as root where that is needed and possible without a password.
pub(super) fn install(package: &str) -> Result<()> {
    let Some((manager, arguments)) = MANAGERS.iter().find(|(name, _)| on_path(name).is_some()) else {
        bail!("none of the package managers known here is installed");
    };
    if *manager == "apt-get" {
        run(as_root(manager)?.arg("update"))?;
    }
    let mut command = if *manager == "brew" {
        Command::new(manager)
    } else {
        as_root(manager)?
    };
    run(command.args(*arguments).arg(package))
}

fn as_root(program: &str) -> Result<Command> {
    if output_of("id", &["-u"]).as_deref() == Some("0") {
        return Ok(Command::new(program));
    }
    if output_of("sudo", &["-n", "true"]).is_none() {
        bail!("{program} needs root, and sudo wants a password");
    }
    let mut command = Command::new("sudo");
    command.args(["-n", program]);
    Ok(command)
}

/// What a program prints, if it succeeds.
fn output_of(program: impl AsRef<Path>, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program.as_ref())
        .args(arguments)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}

fn run(command: &mut Command) -> Result<()> {
    println!("xtask: {command:?}");
    let status = command.status().with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

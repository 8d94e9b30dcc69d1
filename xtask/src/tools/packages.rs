//! The system's package manager.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail};

use super::on_path;

/// What one package is called by each manager that has it.
pub(super) struct Package {
    pub(super) apt: Option<&'static str>,
    pub(super) dnf: Option<&'static str>,
    pub(super) apk: Option<&'static str>,
    pub(super) brew: Option<&'static str>,
}

impl Package {
    /// A package that has this name everywhere.
    pub(super) const fn everywhere(name: &'static str) -> Self {
        Self {
            apt: Some(name),
            dnf: Some(name),
            apk: Some(name),
            brew: Some(name),
        }
    }
}

/// A package manager: how it installs a package without asking.
struct Manager {
    program: &'static str,
    arguments: &'static [&'static str],
    name_of: fn(&Package) -> Option<&'static str>,
}

const MANAGERS: [Manager; 4] = [
    Manager {
        program: "apt-get",
        arguments: &[
            "-o",
            "DPkg::Lock::Timeout=300",
            "install",
            "--yes",
            "--no-install-recommends",
        ],
        name_of: |package| package.apt,
    },
    Manager {
        program: "dnf",
        arguments: &["install", "--assumeyes"],
        name_of: |package| package.dnf,
    },
    Manager {
        program: "apk",
        arguments: &["add"],
        name_of: |package| package.apk,
    },
    Manager {
        program: "brew",
        arguments: &["install"],
        name_of: |package| package.brew,
    },
];

/// Installs a package, as root where that is needed and possible without a password.
pub(super) fn install(package: &Package) -> Result<()> {
    let Some(manager) = MANAGERS.iter().find(|manager| on_path(manager.program).is_some()) else {
        bail!("none of the package managers known here is installed");
    };
    let program = manager.program;
    let name = (manager.name_of)(package).with_context(|| format!("{program} has no such package"))?;
    if program == "apt-get"
        && let Err(error) = run(as_root(program)?.arg("update"))
    {
        eprintln!("xtask: {error:#}: going on with the lists that are there");
    }
    let mut command = if program == "brew" {
        Command::new(program)
    } else {
        as_root(program)?
    };
    run(command.args(manager.arguments).arg(name))
}

/// Unpacks an apt package into a folder, where nothing of it is started.
pub(super) fn unpack(folder: &Path, package: &str) -> Result<()> {
    if let Err(error) = as_root("apt-get").and_then(|mut apt| run(apt.arg("update"))) {
        eprintln!("xtask: {error:#}: going on with the lists that are there");
    }
    fs::create_dir_all(folder)?;
    run(Command::new("apt-get").current_dir(folder).args(["download", package]))?;
    let archives = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let archives = archives.collect::<Result<Vec<_>>>()?;
    let is_archive = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "deb");
    let archive = archives.iter().find(is_archive).context("apt-get downloaded nothing")?;
    run(Command::new("dpkg").arg("--extract").arg(archive).arg(folder))?;
    Ok(fs::remove_file(archive)?)
}

/// Installs a Python package into a folder of its own below `target`, and nowhere else.
pub(super) fn pip(folder: &Path, package: &str) -> Result<()> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]);
    pip.env("PIP_ROOT_USER_ACTION", "ignore");
    run(pip.arg("--target").arg(folder).arg(package))
}

fn as_root(program: &str) -> Result<Command> {
    if rustix::process::geteuid().is_root() {
        let mut command = Command::new(program);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        return Ok(command);
    }
    if output_of("sudo", &["-n", "true"]).is_none() {
        bail!("{program} needs root, and sudo wants a password");
    }
    let mut command = Command::new("sudo");
    command.args(["-n", "env", "DEBIAN_FRONTEND=noninteractive", program]);
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

/// Runs a command that must succeed. What it prints is no output of ours.
pub(super) fn run(command: &mut Command) -> Result<()> {
    eprintln!("xtask: {command:?}");
    let status = command
        .stdin(Stdio::null())
        .stdout(io::stderr())
        .status()
        .with_context(|| format!("{command:?}"))?;
    if !status.success() {
        bail!("{command:?} failed: {status}");
    }
    Ok(())
}

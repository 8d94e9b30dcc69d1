//! Whom PostgreSQL runs as: it refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::tools::{self, SetPriv};

/// The account that every package of PostgreSQL makes.
const POSTGRES: &str = "postgres";

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Account {
    /// Whoever runs us.
    Ours,
    /// `postgres`, because we are root.
    Postgres {
        /// The program that changes to it.
        setpriv: String,
    },
}

impl Account {
    /// Ours, unless that is root.
    pub(crate) fn for_postgres() -> Result<Self> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let setpriv = tools::ensure(&SetPriv)?.display().to_string();
        id("-u").context("PostgreSQL does not run as root, and there is no user `postgres` to run it as")?;
        Ok(Self::Postgres { setpriv })
    }

    /// A command line that runs this one as this user, in the same process.
    pub(crate) fn wrap(&self, arguments: Vec<String>) -> Vec<String> {
        match self {
            Self::Ours => arguments,
            Self::Postgres { setpriv } => {
                let user = [
                    setpriv.clone(),
                    format!("--reuid={POSTGRES}"),
                    format!("--regid={POSTGRES}"),
                    "--init-groups".to_owned(),
                    "--".to_owned(),
                ];
                user.into_iter().chain(arguments).collect()
            }
        }
    }

    /// Makes a folder that belongs to this user, and to nobody else.
    pub(crate) fn create_dir(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        if let Self::Postgres { .. } = self {
            chown(folder, Some(id("-u")?), Some(id("-g")?)).with_context(|| folder.display().to_string())?;
        }
        Ok(())
    }

    /// Whether this user gets into a folder: not into one below a home that is closed to others.
    pub(crate) fn reaches(&self, folder: &Path) -> bool {
        let test = vec!["test".to_owned(), "-x".to_owned(), folder.display().to_string()];
        let arguments = self.wrap(test);
        let status = Command::new(&arguments[0])
            .args(&arguments[1..])
            .current_dir("/")
            .stderr(Stdio::null())
            .status();
        status.is_ok_and(|status| status.success())
    }
}

/// A number of `postgres`.
fn id(which: &str) -> Result<u32> {
    let output = Command::new("id").args([which, POSTGRES]).output().context("id")?;
    if !output.status.success() {
        bail!("id {which} {POSTGRES}: {}", output.status);
    }
    let number = String::from_utf8_lossy(&output.stdout).trim().parse();
    number.with_context(|| format!("id {which} {POSTGRES}"))
}

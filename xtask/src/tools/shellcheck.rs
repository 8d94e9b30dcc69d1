//! `ShellCheck`, from the system's packages.

use anyhow::Result;

use super::Tool;
use super::packages::{self, Package};

/// What reads our shell scripts.
pub(crate) struct ShellCheck;

impl Tool for ShellCheck {
    fn name(&self) -> &'static str {
        "shellcheck"
    }

    fn purpose(&self) -> &'static str {
        "to check shell scripts"
    }

    fn install(&self) -> Result<()> {
        packages::install(&Package {
            dnf: Some("ShellCheck"),
            ..Package::everywhere("shellcheck")
        })
    }
}

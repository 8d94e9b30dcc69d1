//! curl, from the system's packages.

use anyhow::Result;

use super::Tool;
use super::packages::{self, Package};

/// What README's commands call.
pub(crate) struct Curl;

impl Tool for Curl {
    fn name(&self) -> &'static str {
        "curl"
    }

    fn purpose(&self) -> &'static str {
        "to run the commands of README.md"
    }

    fn install(&self) -> Result<()> {
        packages::install(&Package::everywhere("curl"))
    }
}

//! setpriv of util-linux, from the system's packages.

use anyhow::Result;

use super::Tool;
use super::packages::{self, Package};

/// Runs a program as another user, or such that it ends with its parent, without staying in between.
pub(crate) struct SetPriv;

impl Tool for SetPriv {
    fn name(&self) -> &'static str {
        "setpriv"
    }

    fn purpose(&self) -> &'static str {
        "to run PostgreSQL as another user, since it refuses to run as root"
    }

    fn install(&self) -> Result<()> {
        packages::install(&Package {
            apt: Some("util-linux"),
            dnf: Some("util-linux"),
            apk: Some("setpriv"),
            brew: None,
        })
    }
}

//! HAProxy, from the system's packages.

use std::path::PathBuf;

use anyhow::Result;

use super::packages::{self, Package};
use super::{Tool, in_system_folders, on_path};

/// The load balancer.
pub(crate) struct HaProxy;

impl Tool for HaProxy {
    fn name(&self) -> &'static str {
        "haproxy"
    }

    fn purpose(&self) -> &'static str {
        "to spread requests over replicas"
    }

    fn find(&self) -> Option<PathBuf> {
        on_path(self.name()).or_else(|| in_system_folders(self.name()))
    }

    fn install(&self) -> Result<()> {
        packages::install(&Package::everywhere("haproxy"))
    }
}

//! Redis, from the system's packages.

use std::path::PathBuf;

use anyhow::Result;

use super::packages::{self, Package};
use super::{Tool, in_system_folders, on_path};

/// Timelines, caches and the event log.
pub(crate) struct Redis;

impl Tool for Redis {
    fn name(&self) -> &'static str {
        "redis-server"
    }

    fn purpose(&self) -> &'static str {
        "for timelines and the event log"
    }

    fn find(&self) -> Option<PathBuf> {
        on_path(self.name()).or_else(|| in_system_folders(self.name()))
    }

    fn install(&self) -> Result<()> {
        packages::install(&Package {
            apt: Some("redis-server"),
            ..Package::everywhere("redis")
        })
    }
}

//! promtool, which comes with Prometheus.

use std::path::PathBuf;

use anyhow::Result;

use super::packages::{self, Package};
use super::{Tool, on_path};
use crate::cargo;

/// What checks alerts.
pub(crate) struct Promtool;

impl Promtool {
    fn folder() -> PathBuf {
        cargo::target_dir().join("tools/prometheus")
    }
}

impl Tool for Promtool {
    fn name(&self) -> &'static str {
        "promtool"
    }

    fn purpose(&self) -> &'static str {
        "to test alerts"
    }

    fn find(&self) -> Option<PathBuf> {
        let unpacked = || Some(Self::folder().join("usr/bin/promtool")).filter(|program| program.is_file());
        on_path(self.name()).or_else(unpacked)
    }

    fn install(&self) -> Result<()> {
        if on_path("apt-get").is_some() {
            // Installed, it would start a server.
            return packages::unpack(&Self::folder(), "prometheus");
        }
        packages::install(&Package {
            apt: None,
            dnf: Some("golang-github-prometheus"),
            apk: Some("prometheus"),
            brew: Some("prometheus"),
        })
    }
}

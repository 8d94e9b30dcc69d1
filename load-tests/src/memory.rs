//! How much memory this process takes, as Linux tells it.

use std::fs;

use anyhow::{Context, Result};

/// Bytes of memory that are resident now.
pub(crate) fn resident_bytes() -> Result<u64> {
    status("VmRSS:")
}

/// The most that ever were.
pub(crate) fn peak_resident_bytes() -> Result<u64> {
    status("VmHWM:")
}

fn status(field: &str) -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("this needs Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kibibytes = line.and_then(|rest| rest.split_whitespace().next());
    let kibibytes: u64 = kibibytes.context("no such field in /proc/self/status")?.parse()?;
    Ok(kibibytes * 1_024)
}

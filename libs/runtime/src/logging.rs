//! The process's log, on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{Log, LogFormat};

/// The filter is not one.
#[derive(Debug, thiserror::Error)]
#[error("`{filter}` is not a log filter: {reason}")]
pub struct InvalidFilter {
    filter: String,
    reason: String,
}

/// Keeps the log going. To be held until the process ends.
#[derive(Debug)]
#[must_use = "the log ends with its guard"]
pub struct LogGuard(());

/// Starts the log of this process. A second call changes nothing.
pub fn init_logging(log: &Log) -> Result<LogGuard, InvalidFilter> {
    let filter = parse_filter(&log.filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails where a subscriber is installed already, as in tests that start several systems in one process.
    let _ = match log.format {
        LogFormat::Human => builder.with_ansi(std::io::stderr().is_terminal()).finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    };
    Ok(LogGuard(()))
}

pub(crate) fn parse_filter(filter: &str) -> Result<EnvFilter, InvalidFilter> {
    EnvFilter::try_new(filter).map_err(|error| InvalidFilter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

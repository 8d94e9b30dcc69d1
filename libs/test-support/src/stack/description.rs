//! `stack.json`, as `cargo xtask stack up` writes it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::PROMETHEUS;

/// What of it is used here.
#[derive(Debug, Deserialize)]
pub(super) struct Description {
    pub(super) url: String,
    pub(super) postgres_url: String,
    pub(super) redis_url: String,
    pub(super) admin_token: String,
    pub(super) processes: Vec<Process>,
}

/// One process.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Process {
    pub(super) name: String,
    pub(super) replica: u32,
    pub(super) pid: Option<u32>,
    pub(super) internal_url: String,
    pub(super) restart: Restart,
    pub(super) log: PathBuf,
}

/// What starts it again, in the foreground.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Restart {
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
}

impl Description {
    pub(super) fn read(path: &Path) -> io::Result<Self> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let text = fs::read(path).map_err(named)?;
        let description = serde_json::from_slice(&text).map_err(|error| named(error.into()))?;
        Ok(description)
    }
}

impl Process {
    /// Host and port where it is asked.
    pub(super) fn internal_host(&self) -> &str {
        let url = self.internal_url.as_str();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        host.split_once('/').map_or(host, |(host, _)| host)
    }

    /// The path at which it says whether it is ready, where it speaks HTTP.
    pub(super) fn ready_path(&self) -> &'static str {
        if self.name == PROMETHEUS { "/-/ready" } else { "/readyz" }
    }

    /// `http`, `postgres` or `redis`.
    pub(super) fn scheme(&self) -> &str {
        self.internal_url.split("://").next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_from_urls_of_all_kinds() {
        let process = |url: &str| Process {
            name: "postgres".to_owned(),
            replica: 0,
            pid: None,
            internal_url: url.to_owned(),
            restart: Restart {
                args: Vec::new(),
                env: BTreeMap::new(),
            },
            log: PathBuf::new(),
        };
        for (url, scheme) in [
            ("postgres://rookery:pass@127.0.0.1:5000/rookery", "postgres"),
            ("redis://127.0.0.1:5000", "redis"),
            ("http://127.0.0.1:5000", "http"),
        ] {
            assert_eq!(process(url).internal_host(), "127.0.0.1:5000");
            assert_eq!(process(url).scheme(), scheme);
        }
    }
}

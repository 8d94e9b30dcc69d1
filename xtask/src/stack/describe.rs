//! `stack.json`: what a stack consists of, for whoever uses it.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::folder::{Folder, write_private};
use super::options::Options;

/// The names of processes.
pub(super) const POSTGRES: &str = "postgres";
pub(super) const REDIS: &str = "redis";
pub(super) const LOAD_BALANCER: &str = "load-balancer";
pub(super) const PROMETHEUS: &str = "prometheus";
pub(super) const OTLP_RECEIVER: &str = "otlp-receiver";
pub(crate) const SERVICES: [&str; 4] = ["follow-graph", "tweet-ingest", "fan-out", "timeline-read"];

/// A stack.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Description {
    /// The public API, behind the load balancer.
    pub(super) url: String,
    /// The services' database, for a superuser.
    pub(super) postgres_url: String,
    /// All of Redis.
    pub(super) redis_url: String,
    /// What operators' paths ask for.
    pub(super) admin_token: String,
    /// What it was started with.
    pub(super) options: Options,
    /// What runs, in the order in which it is started.
    pub(super) processes: Vec<Process>,
}

/// A part of a stack: one process.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Process {
    pub(super) name: String,
    /// Counted from 0.
    pub(super) replica: u32,
    /// When it runs.
    pub(super) pid: Option<u32>,
    /// Where it is asked by operators and other parts.
    pub(super) internal_url: String,
    /// How it is started again.
    pub(super) restart: Restart,
    /// Where what it prints is appended.
    pub(super) log: PathBuf,
}

/// A command that becomes the process itself, in the foreground.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Restart {
    pub(super) args: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
}

impl Description {
    /// The one in this folder, if there is a stack.
    pub(super) fn read(folder: &Folder) -> Result<Option<Self>> {
        let path = folder.description();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| path.display().to_string()),
        };
        let description = serde_json::from_slice(&text).with_context(|| {
            format!(
                "{} is of another version: `cargo xtask stack down` removes it",
                path.display()
            )
        })?;
        Ok(Some(description))
    }

    /// Writes it for all who read it.
    pub(super) fn write(&self, folder: &Folder) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).context("stack.json")?;
        write_private(&folder.description(), &text)
    }

    /// The only process of a part, if there is that part.
    pub(super) fn one(&self, name: &str) -> Option<&Process> {
        self.processes.iter().find(|process| process.name == name)
    }

    /// The positions of all replicas of a part.
    pub(super) fn all(&self, name: &str) -> Vec<usize> {
        (0..self.processes.len())
            .filter(|&index| self.processes[index].name == name)
            .collect()
    }
}

impl Process {
    /// A process that does not run yet, and has no environment of its own.
    pub(super) fn new(folder: &Folder, name: &str, replica: u32, internal_url: String, args: Vec<String>) -> Self {
        Self {
            name: name.to_owned(),
            replica,
            pid: None,
            internal_url,
            restart: Restart {
                args,
                env: BTreeMap::new(),
            },
            log: folder.log(name, replica),
        }
    }

    /// The path at which it says whether it is ready, where it speaks HTTP.
    pub(super) fn ready_path(&self) -> &'static str {
        if self.name == PROMETHEUS { "/-/ready" } else { "/readyz" }
    }

    /// Host and port of where it is asked: a URL may hold a password, which is nothing for a terminal.
    pub(super) fn internal_host(&self) -> &str {
        let url = self.internal_url.as_str();
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
        host.split_once('/').map_or(host, |(host, _)| host)
    }
}

/// `fan-out 1`.
impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.replica)
    }
}

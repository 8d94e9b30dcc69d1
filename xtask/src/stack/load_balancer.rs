//! The load balancer of a stack.

use std::fs;

use anyhow::{Context, Result};

use super::describe::{LOAD_BALANCER, Process};
use super::folder::{Folder, create_private_dir};
use crate::haproxy::{Configuration, Replica, Servers};
use crate::tools;

/// Where it listens.
pub(super) struct Ports {
    /// The public API.
    pub(super) public: u16,
    /// follow-graph's internal ports as one, for the other services.
    pub(super) follow_graph: u16,
    /// Its own health, and a page of what it sees.
    pub(super) internal: u16,
}

/// Writes its files; its process is still to be started.
pub(super) fn create(folder: &Folder, ports: &Ports, replicas: Vec<Replica>) -> Result<Process> {
    let program = tools::ensure(&tools::HaProxy)?;
    let address = |port: u16| format!("127.0.0.1:{port}");
    let configuration = Configuration {
        folder: folder.load_balancer(),
        public: address(ports.public),
        follow_graph: address(ports.follow_graph),
        internal: address(ports.internal),
        servers: Servers::Listed(replicas),
    };
    create_private_dir(&configuration.folder)?;
    for (name, content) in configuration.files() {
        let path = configuration.folder.join(name);
        fs::write(&path, content).with_context(|| path.display().to_string())?;
    }
    let main = configuration.folder.join(Configuration::MAIN);
    let arguments = [
        program.display().to_string(),
        "-db".to_owned(),
        "-f".to_owned(),
        main.display().to_string(),
    ];
    let url = format!("http://{}", configuration.internal);
    Ok(Process::new(folder, LOAD_BALANCER, 0, url, arguments.into()))
}

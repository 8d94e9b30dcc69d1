//! `cargo xtask compose-config`: the files that `compose.yaml` gives to the load balancer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo;
use crate::haproxy::{Configuration, Servers};

/// Where `compose.yaml` expects them.
fn folder() -> PathBuf {
    cargo::workspace_root().join("docker/haproxy")
}

/// Where the load balancer's image expects them, and the ports that `compose.yaml` uses.
fn configuration() -> Configuration {
    Configuration {
        folder: Path::new("/usr/local/etc/haproxy").to_owned(),
        public: "*:8080".to_owned(),
        follow_graph: "*:8180".to_owned(),
        internal: "*:8181".to_owned(),
        servers: Servers::Discovered {
            most: 16,
            public_port: 8080,
            internal_port: 8081,
        },
    }
}

/// Writes them anew.
pub(crate) fn run() -> Result<ExitCode> {
    fs::create_dir_all(folder()).with_context(|| folder().display().to_string())?;
    for (name, content) in configuration().files() {
        let path = folder().join(name);
        fs::write(&path, content).with_context(|| path.display().to_string())?;
        println!("xtask: wrote {}", path.display());
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_up_to_date() {
        for (name, content) in configuration().files() {
            let there = fs::read_to_string(folder().join(&name)).unwrap();
            assert!(
                there == content,
                "docker/haproxy/{name} is not up to date: run `cargo xtask compose-config`"
            );
        }
    }
}

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
    use std::process::Command;

    use super::*;
    use crate::stack::SERVICES;
    use crate::tools::{Promtool, Tool};

    fn read(name: &str) -> String {
        let path = cargo::workspace_root().join(name);
        fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    #[test]
    fn what_is_mounted_is_there() {
        let compose = read("compose.yaml");
        let mounted = compose.lines().filter_map(|line| line.trim().strip_prefix("- ./"));
        let paths: Vec<&str> = mounted.filter_map(|mount| Some(mount.split_once(':')?.0)).collect();
        assert!(paths.len() >= 6, "{paths:?}");
        for path in paths {
            assert!(cargo::workspace_root().join(path).exists(), "{path}");
        }
    }

    #[test]
    fn prometheus_scrapes_every_service() {
        let configuration = read("docker/prometheus/prometheus.yml");
        let names = configuration
            .split_once("names: [")
            .and_then(|(_, rest)| rest.split_once(']'));
        let mut names: Vec<&str> = names.unwrap().0.split(", ").collect();
        let mut services = SERVICES.to_vec();
        names.sort_unstable();
        services.sort_unstable();
        assert_eq!(names, services);
        let Some(promtool) = Promtool.find() else {
            eprintln!("SKIPPED: there is no promtool; `cargo xtask test` installs it");
            return;
        };
        let file = cargo::workspace_root().join("docker/prometheus/prometheus.yml");
        let checked = Command::new(promtool)
            .args(["check", "config", "--syntax-only"])
            .arg(file)
            .output();
        let checked = checked.unwrap();
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    }

    #[test]
    fn what_observes_is_asked_for() {
        let compose = read("compose.yaml");
        for name in ["otel-collector", "jaeger", "prometheus", "grafana"] {
            assert!(compose.contains(&format!("\n  {name}:\n    <<: *observer\n")), "{name}");
        }
        let sources = read("docker/grafana/provisioning/datasources/datasources.yaml");
        for url in ["http://prometheus:9090", "http://jaeger:16686"] {
            assert!(sources.contains(&format!("    url: {url}\n")), "{url}");
        }
    }

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

//! The load balancer: HAProxy.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::folder::create_private_dir;

/// Where it listens, and what it spreads requests over.
pub(super) struct LoadBalancer {
    /// The program.
    pub(super) program: PathBuf,
    /// Where its configuration is.
    pub(super) folder: PathBuf,
    /// The public API.
    pub(super) public_port: u16,
    /// follow-graph's internal ports as one, for the other services.
    pub(super) follow_graph_port: u16,
    /// Its own health, and a page of what it sees.
    pub(super) internal_port: u16,
    /// Replicas of services.
    pub(super) replicas: Vec<Replica>,
}

/// One process of a service.
pub(super) struct Replica {
    pub(super) service: &'static str,
    pub(super) number: u32,
    pub(super) public_port: u16,
    pub(super) internal_port: u16,
}

const TEMPLATE: &str = include_str!("haproxy.cfg");

/// What HAProxy answers itself, in the API's form. A request that reached no server has done nothing; one that got no
/// answer may have done anything, and is repeated under its idempotency key.
const ERRORS: [(u16, &str, &str, &str); 3] = [
    (
        503,
        "overloaded",
        "There is too much to do",
        "No server took the request; nothing was done.",
    ),
    (
        502,
        "timeout",
        "It took too long",
        "The server gave no answer; a write may have been done.",
    ),
    (
        504,
        "timeout",
        "It took too long",
        "The server gave no answer; a write may have been done.",
    ),
];

impl LoadBalancer {
    /// The command line that runs it in the foreground.
    pub(super) fn arguments(&self) -> Vec<String> {
        let configuration = self.configuration().display().to_string();
        let program = self.program.display().to_string();
        vec![program, "-db".to_owned(), "-f".to_owned(), configuration]
    }

    /// Writes its files.
    pub(super) fn write(&self) -> Result<()> {
        create_private_dir(&self.folder)?;
        for (status, slug, title, detail) in ERRORS {
            let path = self.error_file(status);
            fs::write(&path, problem(slug, title, detail)).with_context(|| path.display().to_string())?;
        }
        let path = self.configuration();
        fs::write(&path, self.render()).with_context(|| path.display().to_string())
    }

    fn configuration(&self) -> PathBuf {
        self.folder.join("haproxy.cfg")
    }

    fn error_file(&self, status: u16) -> PathBuf {
        self.folder.join(format!("{status}.http"))
    }

    fn render(&self) -> String {
        let errors =
            ERRORS.map(|(status, ..)| format!("  errorfile {status} \"{}\"", self.error_file(status).display()));
        let values = [
            ("@ERRORS@", errors.join("\n")),
            ("@PUBLIC_PORT@", self.public_port.to_string()),
            ("@FOLLOW_GRAPH_PORT@", self.follow_graph_port.to_string()),
            ("@INTERNAL_PORT@", self.internal_port.to_string()),
            ("@tweet-ingest@", self.servers("tweet-ingest", Port::Public)),
            ("@timeline-read@", self.servers("timeline-read", Port::Public)),
            ("@follow-graph@", self.servers("follow-graph", Port::Public)),
            ("@follow-graph-internal@", self.servers("follow-graph", Port::Internal)),
        ];
        values
            .iter()
            .fold(TEMPLATE.to_owned(), |text, (mark, value)| text.replace(mark, value))
    }

    /// Requests go to one port, checks to the internal one.
    fn servers(&self, service: &str, port: Port) -> String {
        let replicas = self.replicas.iter().filter(|replica| replica.service == service);
        let lines = replicas.map(|replica| {
            let (number, checked) = (replica.number, replica.internal_port);
            let asked = match port {
                Port::Public => replica.public_port,
                Port::Internal => replica.internal_port,
            };
            format!("  server {service}-{number} 127.0.0.1:{asked} port {checked}")
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[derive(Clone, Copy)]
enum Port {
    Public,
    Internal,
}

/// A whole answer, as it is sent.
fn problem(slug: &str, title: &str, detail: &str) -> String {
    let body = format!(
        r#"{{"type":"urn:rookery:problem:{slug}","title":"{title}","status":503,"detail":"{detail} Repeat it, a write under the same Idempotency-Key."}}"#
    );
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 1\r\n\
         cache-control: no-store\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::tools::{HaProxy, Tool};

    fn load_balancer(folder: &Path) -> LoadBalancer {
        let services = ["tweet-ingest", "timeline-read", "follow-graph", "fan-out"];
        let replicas = services.iter().zip([10, 20, 30, 40]).flat_map(|(&service, base)| {
            (0..2).map(move |number: u16| Replica {
                service,
                number: number.into(),
                public_port: 21_000 + base + number,
                internal_port: 22_000 + base + number,
            })
        });
        LoadBalancer {
            program: HaProxy.find().unwrap_or_default(),
            folder: folder.to_owned(),
            public_port: 8080,
            follow_graph_port: 8180,
            internal_port: 8181,
            replicas: replicas.collect(),
        }
    }

    #[test]
    fn every_replica_is_in_its_backend_and_checked_on_its_internal_port() {
        let text = load_balancer(Path::new("/tmp")).render();
        let backend = |name: &str| {
            let (_, rest) = text
                .split_once(&format!("\nbackend {name}\n"))
                .expect("there is such a backend");
            rest.split("\n\n").next().unwrap_or_default().trim_end().to_owned()
        };
        assert_eq!(
            backend("timeline-read"),
            "  server timeline-read-0 127.0.0.1:21020 port 22020\n  server timeline-read-1 127.0.0.1:21021 port 22021"
        );
        assert_eq!(
            backend("follow-graph-internal"),
            "  server follow-graph-0 127.0.0.1:22030 port 22030\n  server follow-graph-1 127.0.0.1:22031 port 22031"
        );
        assert!(!text.contains('@') && !text.contains("fan-out"), "{text}");
    }

    #[test]
    fn haproxy_accepts_what_is_written() {
        let Some(program) = HaProxy.find() else {
            eprintln!("SKIPPED: there is no haproxy; `cargo xtask test` installs it");
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let load_balancer = load_balancer(folder.path());
        load_balancer.write().unwrap();
        let check = Command::new(program)
            .args(["-c", "-f"])
            .arg(load_balancer.configuration())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success() && !said.contains("WARNING"), "{said}");
    }
}

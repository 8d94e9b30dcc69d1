//! The load balancer's configuration: one for a stack on this machine, one for containers.

use std::path::PathBuf;

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

/// What containers' addresses are found by: Docker's own name server.
const DISCOVERY: &str = "\
resolvers docker
  nameserver docker 127.0.0.11:53
  hold valid 1s

";

/// Where it listens, and what it spreads requests over.
pub(crate) struct Configuration {
    /// Where its files will be.
    pub(crate) folder: PathBuf,
    /// Where the public API is offered.
    pub(crate) public: String,
    /// Where follow-graph's internal ports are offered as one, for the other services.
    pub(crate) follow_graph: String,
    /// Where its own health is, and a page of what it sees.
    pub(crate) internal: String,
    /// What it spreads requests over.
    pub(crate) servers: Servers,
}

/// The servers of each service.
pub(crate) enum Servers {
    /// Known ones.
    Listed(Vec<Replica>),
    /// As many as have the service's name, on the same ports everywhere.
    Discovered {
        /// The most that there may be.
        most: u32,
        /// The port of the public API.
        public_port: u16,
        /// The internal port.
        internal_port: u16,
    },
}

/// One process of a service.
pub(crate) struct Replica {
    pub(crate) service: &'static str,
    pub(crate) number: u32,
    pub(crate) public_port: u16,
    pub(crate) internal_port: u16,
}

#[derive(Clone, Copy)]
enum Port {
    Public,
    Internal,
}

impl Configuration {
    /// The name of the file that leads to all others.
    pub(crate) const MAIN: &str = "haproxy.cfg";

    /// Names and contents of all files.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        let errors = ERRORS
            .iter()
            .map(|(status, slug, title, detail)| (error_file(*status), problem(slug, title, detail)));
        errors.chain([(Self::MAIN.to_owned(), self.main())]).collect()
    }

    fn main(&self) -> String {
        let errors = ERRORS.map(|(status, ..)| {
            let path = self.folder.join(error_file(status));
            format!("  errorfile {status} \"{}\"", path.display())
        });
        let (discovery, resolved) = match self.servers {
            Servers::Listed(_) => ("", ""),
            Servers::Discovered { .. } => (DISCOVERY, " resolvers docker init-addr none"),
        };
        let values = [
            ("@DISCOVERY@", discovery.to_owned()),
            ("@RESOLVED@", resolved.to_owned()),
            ("@ERRORS@", errors.join("\n")),
            ("@PUBLIC@", self.public.clone()),
            ("@FOLLOW_GRAPH@", self.follow_graph.clone()),
            ("@INTERNAL@", self.internal.clone()),
            ("@tweet-ingest@", self.servers.of("tweet-ingest", Port::Public)),
            ("@timeline-read@", self.servers.of("timeline-read", Port::Public)),
            ("@follow-graph@", self.servers.of("follow-graph", Port::Public)),
            (
                "@follow-graph-internal@",
                self.servers.of("follow-graph", Port::Internal),
            ),
        ];
        let put_in = |text: String, (mark, value): &(&str, String)| text.replace(mark, value);
        values.iter().fold(TEMPLATE.to_owned(), put_in)
    }
}

impl Servers {
    /// The lines of a backend: requests go to one port, checks to the internal one.
    fn of(&self, service: &str, port: Port) -> String {
        let asked = |public: u16, internal: u16| match port {
            Port::Public => public,
            Port::Internal => internal,
        };
        match self {
            Self::Discovered {
                most,
                public_port,
                internal_port,
            } => {
                let port = asked(*public_port, *internal_port);
                format!("  server-template {service}- 1-{most} {service}:{port} port {internal_port}")
            }
            Self::Listed(replicas) => {
                let lines = replicas
                    .iter()
                    .filter(|replica| replica.service == service)
                    .map(|replica| {
                        let (number, checked) = (replica.number, replica.internal_port);
                        let port = asked(replica.public_port, checked);
                        format!("  server {service}-{number} 127.0.0.1:{port} port {checked}")
                    });
                lines.collect::<Vec<_>>().join("\n")
            }
        }
    }
}

fn error_file(status: u16) -> String {
    format!("{status}.http")
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
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::*;
    use crate::tools::{HaProxy, Tool};

    fn configuration(folder: &Path, servers: Servers) -> Configuration {
        Configuration {
            folder: folder.to_owned(),
            public: "127.0.0.1:8080".to_owned(),
            follow_graph: "127.0.0.1:8180".to_owned(),
            internal: "127.0.0.1:8181".to_owned(),
            servers,
        }
    }

    fn listed() -> Servers {
        let services = ["tweet-ingest", "timeline-read", "follow-graph", "fan-out"];
        let replicas = services.iter().zip([10, 20, 30, 40]).flat_map(|(&service, base)| {
            (0..2).map(move |number: u16| Replica {
                service,
                number: number.into(),
                public_port: 21_000 + base + number,
                internal_port: 22_000 + base + number,
            })
        });
        Servers::Listed(replicas.collect())
    }

    fn discovered() -> Servers {
        Servers::Discovered {
            most: 4,
            public_port: 8080,
            internal_port: 8081,
        }
    }

    #[test]
    fn every_replica_is_in_its_backend_and_checked_on_its_internal_port() {
        let text = configuration(Path::new("/tmp"), listed()).main();
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
        for servers in [listed(), discovered()] {
            let folder = tempfile::tempdir().unwrap();
            let configuration = configuration(folder.path(), servers);
            for (name, content) in configuration.files() {
                fs::write(folder.path().join(name), content).unwrap();
            }
            let main = folder.path().join(Configuration::MAIN);
            let check = Command::new(&program).args(["-c", "-f"]).arg(main).output().unwrap();
            let said = String::from_utf8_lossy(&check.stderr);
            assert!(check.status.success() && !said.contains("WARNING"), "{said}");
        }
    }
}

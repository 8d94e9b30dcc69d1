//! What the services say of a configuration that cannot work, and how they wait for stores that are not there yet.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use test_support::{HttpTransport, Request, SERVICES, Transport};

use crate::support::variable;

/// As `sysexits` has it: the command line or the configuration is wrong.
const USAGE: i32 = 64;
const TRIES: u32 = 600;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// A service with nothing but these settings; `None`, loudly, where there is nothing to run.
fn service(name: &str, settings: &[(&str, &str)]) -> Option<Command> {
    let Some(programs) = variable("ROOKERY_TEST_PROGRAMS") else {
        eprintln!("SKIPPED: ROOKERY_TEST_PROGRAMS is not set; `cargo xtask test` sets it");
        return None;
    };
    let mut command = Command::new(PathBuf::from(programs).join(name));
    command.env_clear().envs(settings.iter().copied()).stdin(Stdio::null());
    Some(command)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let wrong = [
        ("ROOKERY__POSTGRES__URL", "mysql://localhost"),
        ("ROOKERY__REDIS__URL", "localhost:6379"),
        ("ROOKERY__FOLLOW_GRAPH__URL", "follow-graph:8081"),
        ("ROOKERY__INTERNAL__ADDR", "0.0.0.0:0"),
        ("ROOKERY__TIMELINE__WINDOW", "many"),
        ("ROOKERY__TIMELINE__WINDOWS", "800"),
    ];
    for name in SERVICES {
        let Some(mut command) = service(name, &wrong) else {
            return;
        };
        let output = command.output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(USAGE), "{name}: {said}");
        for key in [
            "postgres.url",
            "redis.url",
            "follow_graph.url",
            "internal.addr",
            "timeline.window",
            "timeline.windows",
        ] {
            let variable = format!("ROOKERY__{}", key.to_uppercase().replace('.', "__"));
            assert!(
                said.contains(key) || said.contains(&variable),
                "{name} does not name {key}: {said}"
            );
        }
    }
}

#[test]
fn all_that_is_missing_is_said_at_once() {
    for name in SERVICES {
        let Some(mut command) = service(name, &[]) else { return };
        let output = command.output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(USAGE), "{name}: {said}");
        for variable in ["ROOKERY__POSTGRES__URL", "ROOKERY__REDIS__URL"] {
            assert!(said.contains(variable), "{name} does not name {variable}: {said}");
        }
    }
}

/// A service that is killed where a test fails.
struct Running(Child);

impl Running {
    /// Asks it to end; answers whether all was well.
    fn end(mut self) -> bool {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        asked.success() && self.0.wait().unwrap().success()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a service that has to wait: it lives, is not ready, says why, and ends when asked to.
async fn waits(name: &str, postgres_url: &str, reason: &str) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = [
        ("ROOKERY__POSTGRES__URL", postgres_url),
        ("ROOKERY__REDIS__URL", "redis://127.0.0.1:9"),
        ("ROOKERY__FOLLOW_GRAPH__URL", "http://127.0.0.1:9"),
        ("ROOKERY__AUTH__PRIVATE_KEY", "looked at later"),
        ("ROOKERY__AUTH__PUBLIC_KEYS", "looked at later"),
        ("ROOKERY__HTTP__ADDR", "127.0.0.1:0"),
        ("ROOKERY__INTERNAL__ADDR", &address.to_string()),
    ];
    let Some(mut command) = service(name, &settings) else {
        return;
    };
    let running = Running(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    let internal = HttpTransport::new(format!("http://{address}"));
    let ask = async |path: &str| internal.send(Request::new(reqwest::Method::GET, path)).await;
    let mut last = String::new();
    for _ in 0..TRIES {
        if let Ok(answer) = ask("/readyz").await {
            assert_eq!(answer.status, 503, "{name}: {}", answer.body);
            last = answer.body.to_string();
            if last.contains(reason) {
                assert_eq!(ask("/healthz").await.unwrap().status, 200, "{name} lives");
                assert!(running.end(), "{name} did not end well");
                return;
            }
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    panic!("{name} does not say that {reason}: {last}");
}

#[tokio::test]
async fn a_database_that_is_away_is_waited_for() {
    for name in SERVICES {
        waits(
            name,
            "postgres://rookery@127.0.0.1:9/rookery",
            "PostgreSQL cannot be reached",
        )
        .await;
    }
}

#[tokio::test]
async fn a_schema_that_is_not_there_yet_is_waited_for() {
    let Some(empty) = variable("ROOKERY_TEST_POSTGRES_URL") else {
        eprintln!("SKIPPED: ROOKERY_TEST_POSTGRES_URL is not set; `cargo xtask test` sets it");
        return;
    };
    for name in SERVICES {
        waits(name, &empty, "run `follow-graph migrate`").await;
    }
}

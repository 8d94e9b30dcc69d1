//! What the services say of a configuration that cannot work, and how they wait for stores that are not there yet.

use std::io::Read as _;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;

use http_kit::auth::{generate_private_key, public_key_of};
use secrecy::ExposeSecret;
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
fn what_is_wrong_is_said_with_what_is_missing() {
    let wrong = [
        ("ROOKERY__NOPE", "1"),
        (
            "ROOKERY__POSTGRES__URL",
            "postgres://rookery:hunter2@127.0.0.1:99999/rookery",
        ),
        ("ROOKERY__REDIS__URL", ""),
        ("ROOKERY__EVENTS__REDIS_URL", "redis://:hunter2@127.0.0.1:99999"),
        ("ROOKERY__AUTH__PRIVATE_KEY", "no key"),
        ("ROOKERY__AUTH__PUBLIC_KEYS", "no key"),
    ];
    for name in SERVICES {
        let Some(mut command) = service(name, &wrong) else {
            return;
        };
        let output = command.output().unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(USAGE), "{name}: {said}");
        let of_all = [
            "unknown key `nope`",
            "`postgres.url`",
            "`redis.url` is not set",
            "`events.redis_url`",
        ];
        let of_this: &[&str] = match name {
            "follow-graph" => &["`auth.private_key`", "`auth.public_keys`"],
            "fan-out" => &["`follow_graph.url` is not set"],
            _ => &["`follow_graph.url` is not set", "`auth.public_keys`"],
        };
        for expected in of_all.iter().chain(of_this) {
            assert!(said.contains(expected), "{name} does not say {expected}: {said}");
        }
        assert!(!said.contains("hunter2"), "{name}: {said}");
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

/// The server of the tests.
fn server() -> Option<String> {
    let server = variable("ROOKERY_TEST_POSTGRES_URL");
    if server.is_none() {
        eprintln!("SKIPPED: ROOKERY_TEST_POSTGRES_URL is not set; `cargo xtask test` sets it");
    }
    server
}

/// A service that is killed where a test fails.
struct Running(Child);

impl Running {
    /// Asks it to end; answers whether all was well.
    fn end(mut self) -> bool {
        let asked = Command::new("kill").arg(self.0.id().to_string()).status().unwrap();
        asked.success() && self.0.wait().unwrap().success()
    }

    /// How it ends by itself.
    async fn status(&mut self, name: &str) -> ExitStatus {
        for _ in 0..TRIES {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        panic!("{name} does not end");
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended long ago.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A service with all settings that it needs, on this database.
fn service_on(name: &str, postgres_url: &str, internal: &str) -> Option<Command> {
    let private_key = generate_private_key();
    let public_key = public_key_of(private_key.expose_secret()).unwrap();
    let settings = [
        ("ROOKERY__POSTGRES__URL", postgres_url),
        ("ROOKERY__REDIS__URL", "redis://127.0.0.1:9"),
        ("ROOKERY__FOLLOW_GRAPH__URL", "http://127.0.0.1:9"),
        ("ROOKERY__AUTH__PRIVATE_KEY", private_key.expose_secret()),
        ("ROOKERY__AUTH__PUBLIC_KEYS", &public_key),
        ("ROOKERY__HTTP__ADDR", "127.0.0.1:0"),
        ("ROOKERY__INTERNAL__ADDR", internal),
    ];
    service(name, &settings)
}

/// Starts a service that has to wait: it lives, is not ready, says all of why, and ends when asked to.
async fn waits(name: &str, postgres_url: &str, reasons: &[&str]) {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let Some(mut command) = service_on(name, postgres_url, &address.to_string()) else {
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
            if reasons.iter().all(|reason| last.contains(reason)) {
                assert_eq!(ask("/healthz").await.unwrap().status, 200, "{name} lives");
                assert!(running.end(), "{name} did not end well");
                return;
            }
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    panic!("{name} does not say that {reasons:?}: {last}");
}

#[tokio::test]
async fn stores_that_are_away_are_waited_for() {
    for name in SERVICES {
        waits(
            name,
            "postgres://rookery@127.0.0.1:9/rookery",
            &["PostgreSQL cannot be reached", "Redis cannot be reached"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_schema_that_is_not_there_yet_is_waited_for() {
    let Some(empty) = server() else { return };
    for name in SERVICES {
        waits(name, &empty, &["run `follow-graph migrate`", "Redis cannot be reached"]).await;
    }
}

#[tokio::test]
async fn a_database_that_stays_silent_is_waited_for() {
    // The system takes connections, and nobody speaks.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://rookery@{}/rookery", silent.local_addr().unwrap());
    waits("fan-out", &url, &["has not answered yet"]).await;
    waits(
        "fan-out",
        &url,
        &["PostgreSQL cannot be reached: no answer within 10 s"],
    )
    .await;
}

fn psql(url: &str, sql: &str) {
    let done = Command::new("psql").args([url, "--quiet", "--command", sql]).status();
    assert!(done.unwrap().success(), "{sql}");
}

/// A database, dropped with this.
struct Database {
    server: String,
    name: String,
}

impl Database {
    fn new(server: String) -> Self {
        let name = format!("rookery_newer_{}", std::process::id());
        psql(&server, &format!("CREATE DATABASE {name}"));
        Self { server, name }
    }

    fn url(&self) -> String {
        let (base, query) = self.server.split_once('?').unwrap_or((&self.server, ""));
        let (address, _) = base.rsplit_once('/').unwrap();
        format!("{address}/{}?{query}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        psql(&self.server, &format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

#[tokio::test]
async fn a_schema_that_is_newer_than_the_program_is_refused() {
    let Some(server) = server() else { return };
    let database = Database::new(server);
    let newer =
        "CREATE TABLE schema_migrations (version integer PRIMARY KEY); INSERT INTO schema_migrations VALUES (900)";
    psql(&database.url(), newer);
    let serving = SERVICES.map(|name| (name, None));
    for (name, argument) in serving.into_iter().chain([("follow-graph", Some("migrate"))]) {
        let Some(mut command) = service_on(name, &database.url(), "127.0.0.1:0") else {
            return;
        };
        let mut running = Running(command.args(argument).stderr(Stdio::piped()).spawn().unwrap());
        let status = running.status(name).await;
        let mut said = String::new();
        let mut stderr = running.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(USAGE), "{name}: {said}");
        assert!(
            said.contains("the database is at schema 900") && said.contains("use the newer version"),
            "{name}: {said}"
        );
        // What may pass is told beside it, where Redis is needed.
        assert_eq!(
            said.contains("Redis cannot be reached"),
            argument.is_none(),
            "{name}: {said}"
        );
    }
}

#[tokio::test]
async fn what_stores_refuse_is_said_together() {
    let Some(server) = server() else { return };
    let Some(redis) = variable("ROOKERY_TEST_REDIS_URL") else {
        eprintln!("SKIPPED: ROOKERY_TEST_REDIS_URL is not set; `cargo xtask test` sets it");
        return;
    };
    let (base, query) = server.split_once('?').unwrap_or((&server, ""));
    let nowhere = format!("{}/rookery_is_not_here?{query}", base.rsplit_once('/').unwrap().0);
    for name in SERVICES {
        let Some(mut command) = service_on(name, &nowhere, "127.0.0.1:0") else {
            return;
        };
        command
            .env("ROOKERY__REDIS__URL", redis.replace("//", "//nobody:guess@"))
            .env("ROOKERY__EVENTS__REDIS_URL", redis.replace("//", "//nobody:guess@"));
        let mut running = Running(command.stderr(Stdio::piped()).spawn().unwrap());
        let status = running.status(name).await;
        let mut said = String::new();
        let mut stderr = running.0.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        assert_eq!(status.code(), Some(USAGE), "{name}: {said}");
        for expected in [
            "PostgreSQL refuses the login",
            "; Redis refuses the login",
            "; events.redis_url: Redis refuses the login",
        ] {
            assert!(said.contains(expected), "{name} does not say {expected}: {said}");
        }
        assert!(!said.contains("guess"), "{name}: {said}");
    }
}

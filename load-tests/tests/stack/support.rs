//! Stacks for tests.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use model::{EdgeKind, TweetId, UserId};
use tempfile::TempDir;
use test_support::{Client, Stack};
use tokio::sync::{Mutex, MutexGuard};

/// Somebody else's block or deletion shows within this, and longer than a confirmation holds.
const STALENESS: Duration = Duration::from_millis(700);

#[expect(
    clippy::disallowed_methods,
    reason = "where the programs are is no configuration of the system"
)]
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A stack is a dozen processes: one at a time.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

/// A stack, and its folder.
pub(crate) struct TestStack {
    pub(crate) stack: Stack,
    folder: TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl TestStack {
    /// A stack with two replicas of everything; `None`, loudly, where there is nothing to run.
    pub(crate) async fn up(options: &[&str], settings: &[(&str, &str)]) -> Option<Self> {
        let Some(programs) = variable("ROOKERY_TEST_PROGRAMS") else {
            eprintln!("SKIPPED: ROOKERY_TEST_PROGRAMS is not set; `cargo xtask test` sets it");
            return None;
        };
        let turn = ONE_AT_A_TIME.lock().await;
        let folder = tempfile::Builder::new().prefix("rookery-stack-").tempdir().unwrap();
        let programs = PathBuf::from(programs);
        let place = folder.path().join("stack");
        let options = [&["--replicas", "2"], options].concat();
        let stack = Stack::up(&programs, &place, &options, settings).await.unwrap();
        Some(Self {
            stack: stack.with_staleness(STALENESS),
            folder,
            _turn: turn,
        })
    }

    /// Its folder, which goes with it.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// What its PostgreSQL answers to a statement: rows without ornaments.
    pub(crate) fn psql(&self, statement: &str) -> String {
        let mut psql = Command::new("psql");
        psql.args([self.stack.postgres_url(), "--quiet", "--tuples-only", "--no-align"]);
        let output = psql.args(["--command", statement]).output().unwrap();
        assert!(
            output.status.success(),
            "{statement}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// The ends of the services' logs, where something is worth telling.
    pub(crate) fn tell(&self) -> String {
        let mut told = format!("(folder {})\n", self.folder.path().display());
        for log in self.stack.logs() {
            let text = std::fs::read_to_string(&log).unwrap_or_default();
            let worth: Vec<&str> = text
                .lines()
                .filter(|line| line.contains("WARN") || line.contains("ERROR") || line.contains("panicked"))
                .collect();
            let last = &worth[worth.len().saturating_sub(8)..];
            if !last.is_empty() {
                writeln!(told, "== {}\n{}", log.display(), last.join("\n")).unwrap();
            }
        }
        told
    }
}

/// An account, logged in.
pub(crate) struct Person {
    pub(crate) id: UserId,
    pub(crate) token: String,
}

pub(crate) async fn person(client: &Client, handle: &str) -> Person {
    client
        .sign_up(handle, "not a secret")
        .await
        .unwrap()
        .expect(201)
        .unwrap();
    let session = client.log_in(handle, "not a secret").await.unwrap();
    Person {
        id: session.user.id,
        token: session.token,
    }
}

pub(crate) async fn follow(client: &Client, follower: &Person, followee: &Person) {
    let answer = client
        .set_edge(&follower.token, EdgeKind::Follow, followee.id, true)
        .await;
    answer.unwrap().expect(204).unwrap();
}

pub(crate) async fn post(client: &Client, author: &Person, key: &str) -> TweetId {
    let answer = client.post(&author.token, "a tweet", None, key).await.unwrap();
    let answer = answer.expect(201).unwrap();
    answer.body["id"].as_str().unwrap().parse().unwrap()
}

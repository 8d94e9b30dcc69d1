//! A Redis or Valkey that a test starts, stops, kills and brings back with another file.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{ClusterHash, CustomCommand, FromValue};
use tempfile::TempDir;

/// One server on loopback. It writes its data to a file only when it is told to.
pub(crate) struct Server {
    program: String,
    folder: TempDir,
    pub(crate) port: u16,
    options: Vec<String>,
    process: Option<Child>,
}

/// The programs that there are to test with. Says so when there is none.
#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its server is no configuration of the system"
)]
pub(crate) fn programs() -> Vec<String> {
    let named = ["ROOKERY_TEST_REDIS_SERVER", "ROOKERY_TEST_VALKEY_SERVER"].map(|name| std::env::var(name).ok());
    let programs: Vec<String> = named.into_iter().flatten().collect();
    if programs.is_empty() {
        eprintln!(
            "SKIPPED: neither ROOKERY_TEST_REDIS_SERVER nor ROOKERY_TEST_VALKEY_SERVER is set; `cargo xtask test` and \
             `cargo xtask servers` set them"
        );
    }
    programs
}

pub(crate) fn free_port() -> u16 {
    free_ports::free(1).unwrap()[0]
}

impl Server {
    pub(crate) async fn start(program: &str, options: &[&str]) -> Self {
        let mut server = Self {
            program: program.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            process: None,
        };
        server.restart().await;
        server
    }

    /// Starts it again on the same port, with the file that is there.
    pub(crate) async fn restart(&mut self) {
        let process = Command::new(&self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args([
                "--save",
                "",
                "--appendonly",
                "no",
                "--enable-debug-command",
                "yes",
                "--dir",
            ])
            .arg(self.folder.path())
            .args(&self.options)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.process = Some(process);
        for _ in 0..1_000 {
            if self.client().await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} does not start", self.program);
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    /// Stops or continues it, as it is: its connections stay.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        let sent = Command::new("kill")
            .args([&format!("-{signal}"), &id])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// The file that it saves to and starts from.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("dump.rdb")
    }

    /// Writes what it holds now to its file, and answers what is in that.
    pub(crate) async fn save(&self) -> Vec<u8> {
        let _: String = self.ask("SAVE", &[]).await;
        fs::read(self.file()).unwrap()
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    async fn client(&self) -> Option<Client> {
        let client = Client::new(Config::from_url(&self.url()).unwrap(), None, None, None);
        client.init().await.ok()?;
        let pong: Result<String, _> = client.ping(None).await;
        pong.ok().map(|_| client)
    }

    /// Runs one command.
    pub(crate) async fn ask<T: FromValue>(&self, command: &'static str, arguments: &[&str]) -> T {
        self.try_ask(command, arguments).await.unwrap()
    }

    pub(crate) async fn try_ask<T: FromValue>(&self, command: &'static str, arguments: &[&str]) -> Result<T, Error> {
        let client = self.client().await.unwrap();
        let command = CustomCommand::new_static(command, ClusterHash::Random, false);
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let answer = client.custom(command, arguments).await;
        client.quit().await.unwrap();
        answer
    }

    /// All keys that begin so.
    pub(crate) async fn keys(&self, beginning: &str) -> Vec<String> {
        self.ask("KEYS", &[&format!("{beginning}*")]).await
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

//! A Redis that a test starts, stops and loses.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{ClusterHash, CustomCommand, FromValue};
use tempfile::TempDir;

/// One server on loopback, without persistence but for what `SAVE` writes.
pub(crate) struct Redis {
    program: String,
    folder: TempDir,
    port: u16,
    options: &'static [&'static str],
    process: Option<Child>,
}

#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its server is no configuration of the system"
)]
fn program() -> Option<String> {
    let program = std::env::var("ROOKERY_TEST_REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
    let version = Command::new(&program).arg("--version").stdout(Stdio::null()).status();
    if version.is_err() {
        eprintln!("SKIPPED: there is no redis-server, and ROOKERY_TEST_REDIS_SERVER names none");
        return None;
    }
    Some(program)
}

fn free_port() -> u16 {
    free_ports::free(1).unwrap()[0]
}

impl Redis {
    /// Starts one; without a program the test says that it is skipped.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// A cluster of one, in which a command may still not name keys of two slots.
    pub(crate) async fn start_cluster() -> Option<Self> {
        let options = &["--cluster-enabled", "yes", "--cluster-announce-ip", "127.0.0.1"];
        let redis = Self::start_with(options).await?;
        let slots = redis.ask::<String>("CLUSTER", &["ADDSLOTSRANGE", "0", "16383"]).await;
        assert_eq!(slots, "OK");
        while !redis
            .ask::<String>("CLUSTER", &["INFO"])
            .await
            .contains("cluster_state:ok")
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Some(redis)
    }

    async fn start_with(options: &'static [&'static str]) -> Option<Self> {
        let mut redis = Self {
            program: program()?,
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            options,
            process: None,
        };
        redis.restart().await;
        Some(redis)
    }

    /// Starts it again, on the same port, with the file that it last saved.
    pub(crate) async fn restart(&mut self) {
        let process = Command::new(&self.program)
            .args(["--port", &self.port.to_string(), "--bind", "127.0.0.1"])
            .args(["--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(self.options)
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
        panic!("Redis does not start");
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.options.is_empty() {
            "redis"
        } else {
            "redis-cluster"
        };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    async fn client(&self) -> Option<Client> {
        let config = Config::from_url(&format!("redis://127.0.0.1:{}", self.port)).unwrap();
        let client = Client::new(config, None, None, None);
        client.init().await.ok()?;
        let pong: Result<String, _> = client.ping(None).await;
        pong.ok().map(|_| client)
    }

    /// Runs one command.
    pub(crate) async fn ask<T: FromValue>(&self, command: &'static str, arguments: &[&str]) -> T {
        let client = self.client().await.unwrap();
        let command = CustomCommand::new_static(command, ClusterHash::Random, false);
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let answer = client.custom(command, arguments).await.unwrap();
        client.quit().await.unwrap();
        answer
    }

    /// How many entries are in all streams.
    pub(crate) async fn entries(&self, partitions: u32) -> u64 {
        let mut entries = 0;
        for partition in 0..partitions {
            entries += self.ask::<u64>("XLEN", &[&format!("events{{{partition}}}")]).await;
        }
        entries
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
    }
}

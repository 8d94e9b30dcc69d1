//! A Redis that a test starts, stops and loses.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fred::clients::Client;
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{ClusterHash, CustomCommand, FromValue};
use tempfile::TempDir;

/// One server on loopback, without persistence but for what `SAVE` writes; or the first of a cluster.
pub(crate) struct Redis {
    program: String,
    folder: TempDir,
    port: u16,
    options: &'static [&'static str],
    process: Option<Child>,
    /// The other nodes of its cluster.
    others: Vec<Self>,
}

const NODES: u16 = 3;
const CLUSTER: &[&str] = &[
    "--cluster-enabled",
    "yes",
    "--cluster-announce-ip",
    "127.0.0.1",
    "--cluster-node-timeout",
    "60000",
    "--cluster-require-full-coverage",
    "no",
];

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

    /// A cluster of three, which share the slots evenly.
    pub(crate) async fn start_cluster() -> Option<Self> {
        let mut first = Self::start_with(CLUSTER).await?;
        for _ in 1..NODES {
            first.others.push(Self::start_with(CLUSTER).await?);
        }
        let port = first.port.to_string();
        for (number, node) in (0..NODES).zip(first.nodes()) {
            let from = 16_384 * u32::from(number) / u32::from(NODES);
            let below = 16_384 * u32::from(number + 1) / u32::from(NODES);
            let range = [from.to_string(), (below - 1).to_string()];
            let epoch = (number + 1).to_string();
            for command in [
                ["ADDSLOTSRANGE", &range[0], &range[1]].as_slice(),
                &["SET-CONFIG-EPOCH", &epoch],
                &["MEET", "127.0.0.1", &port],
            ] {
                assert_eq!(node.ask_node::<String>("CLUSTER", command).await, "OK");
            }
        }
        for node in first.nodes() {
            let knows_all = async || {
                let state: String = node.ask_node("CLUSTER", &["INFO"]).await;
                let slots: Vec<fred::types::Value> = node.ask_node("CLUSTER", &["SLOTS"]).await;
                state.contains("cluster_state:ok") && slots.len() == usize::from(NODES)
            };
            while !knows_all().await {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        Some(first)
    }

    /// All nodes of its cluster, or itself.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Self> {
        std::iter::once(self).chain(&self.others)
    }

    /// The last node of its cluster.
    pub(crate) fn last_node(&mut self) -> &mut Self {
        self.others.last_mut().expect("a cluster")
    }

    async fn start_with(options: &'static [&'static str]) -> Option<Self> {
        let mut redis = Self {
            program: program()?,
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            options,
            process: None,
            others: Vec::new(),
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

    /// Runs one command; in a cluster, where the key is that stands first.
    pub(crate) async fn ask<T: FromValue>(&self, command: &'static str, arguments: &[&str]) -> T {
        let slot = fred::util::redis_keyslot(arguments.first().unwrap_or(&"").as_bytes());
        let owner = usize::from(slot) * (1 + self.others.len()) / 16_384;
        self.nodes().nth(owner).unwrap().ask_node(command, arguments).await
    }

    /// Runs one command on this node.
    pub(crate) async fn ask_node<T: FromValue>(&self, command: &'static str, arguments: &[&str]) -> T {
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

//! The four services: how they are built, configured and started.

use std::collections::BTreeMap;
use std::env;
use std::path::Path;

use anyhow::{Context, Result, bail};

use super::describe::{Description, Process, SERVICES};
use super::folder::Folder;
use super::keys::Keys;
use super::options::Options;
use super::processes;
use crate::cargo;
use crate::haproxy::Replica;

/// What is the same for all of them.
pub(super) struct Settings<'a> {
    pub(super) options: &'a Options,
    /// Settings of whoever makes the stack.
    pub(super) handed_on: BTreeMap<String, String>,
    pub(super) keys: &'a Keys,
    pub(super) postgres_url: &'a str,
    pub(super) redis_url: &'a str,
    pub(super) follow_graph_url: String,
    /// Where traces go, unless whoever makes the stack says otherwise.
    pub(super) otlp_endpoint: Option<String>,
}

impl Settings<'_> {
    /// How one replica is started.
    pub(super) fn process(&self, folder: &Folder, replica: &Replica) -> Process {
        let (name, number) = (replica.service, replica.number);
        let mut env = self.handed_on.clone();
        env.extend(self.common());
        let own = [
            ("ROOKERY__HTTP__ADDR", loopback(replica.public_port)),
            ("ROOKERY__INTERNAL__ADDR", loopback(replica.internal_port)),
            ("ROOKERY__DATA_DIR", text(&folder.service(name, number))),
        ];
        env.extend(own.map(|(key, value)| (key.to_owned(), value)));
        if let Some(endpoint) = &self.otlp_endpoint {
            env.entry(OTLP_ENDPOINT.to_owned()).or_insert_with(|| endpoint.clone());
        }
        if name == "follow-graph" {
            env.insert("ROOKERY__AUTH__PRIVATE_KEY_FILE".to_owned(), text(&self.keys.private()));
        }
        let url = format!("http://{}", loopback(replica.internal_port));
        let mut process = Process::new(folder, name, number, url, vec![program(self.options, name)]);
        process.restart.env = env;
        process
    }

    fn common(&self) -> impl Iterator<Item = (String, String)> {
        let strategy = self
            .options
            .strategy
            .map(|strategy| ("ROOKERY__TIMELINE__STRATEGY", strategy.as_str().to_owned()));
        let always = [
            ("ROOKERY__ADMIN__TOKEN_FILE", text(&self.keys.admin_token())),
            ("ROOKERY__AUTH__PUBLIC_KEYS_FILE", text(&self.keys.public())),
            ("ROOKERY__POSTGRES__URL", self.postgres_url.to_owned()),
            ("ROOKERY__REDIS__URL", self.redis_url.to_owned()),
            ("ROOKERY__FOLLOW_GRAPH__URL", self.follow_graph_url.clone()),
            ("ROOKERY__LIMITS__TRUSTED_PROXIES", "1".to_owned()),
        ];
        always
            .into_iter()
            .chain(strategy)
            .map(|(key, value)| (key.to_owned(), value))
    }
}

/// Where a program of the workspace is, once it is built.
pub(super) fn program(options: &Options, name: &str) -> String {
    let built = || {
        let profile = options.profile.as_str();
        let folder = if profile == "dev" { "debug" } else { profile };
        cargo::target_dir().join(folder)
    };
    text(&options.programs.clone().unwrap_or_else(built).join(name))
}

/// The setting that says where traces go.
const OTLP_ENDPOINT: &str = "ROOKERY__OTLP__ENDPOINT";

/// Whether whoever makes the stack says where traces go.
pub(super) fn traces_go_elsewhere() -> bool {
    env::var_os(OTLP_ENDPOINT).is_some_and(|endpoint| !endpoint.is_empty())
}

/// Settings of whoever makes the stack hold for all its services, also after a restart. Says which there are.
pub(super) fn handed_on() -> BTreeMap<String, String> {
    env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .filter(|(name, _)| name.starts_with(PREFIX))
        .inspect(|(name, _)| eprintln!("xtask: every service gets {name} as it is set here"))
        .collect()
}

/// What settings of Rookery begin with in the environment.
pub(super) const PREFIX: &str = "ROOKERY__";

/// Builds their programs, unless they are given.
pub(super) fn build(options: &Options) -> Result<()> {
    if options.programs.is_some() {
        return Ok(());
    }
    let mut command = cargo::command();
    command.args(["build", "--profile", &options.profile]);
    command.args(SERVICES.iter().flat_map(|service| ["--package", service]));
    if options.observe {
        command.args(["--package", "test-support"]);
    }
    command.arg("--bins");
    cargo::announce(&command);
    let status = command.status().context("cargo could not be started")?;
    if !status.success() {
        bail!("the services could not be built");
    }
    Ok(())
}

/// Brings the database to the schema of this version.
pub(super) fn migrate(stack: &Description) -> Result<()> {
    let first = stack.all("follow-graph").first().map(|&index| &stack.processes[index]);
    let follow_graph = first.context("there is no follow-graph in stack.json")?;
    eprintln!("xtask: follow-graph migrate");
    let output = processes::command(&follow_graph.restart)
        .arg("migrate")
        .output()
        .with_context(|| follow_graph.restart.args.join(" "))?;
    if !output.status.success() {
        bail!(
            "follow-graph migrate failed ({}):\n{}{}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}

fn loopback(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

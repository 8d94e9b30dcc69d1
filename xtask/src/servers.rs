//! Servers for tests: a PostgreSQL and a Redis of their own, on free ports of loopback, in a temporary folder.
//!
//! They are started anew each time, never the ones that the distribution runs, and nothing of them is left afterwards.

mod server;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

use anyhow::{Context, Result};
use clap::Args;
use rand::RngExt;
use tempfile::TempDir;

use crate::account::Account;
use crate::interrupts::Interrupts;
use crate::postgres::Postgres;
use crate::redis::{self, Redis};
use crate::{cargo, tools};
use server::{End, Server};

/// What to do with them.
#[derive(Args)]
pub(crate) struct ServersArguments {
    /// A command to run with the variables set, after which the servers end; without one they run until Ctrl-C.
    #[arg(last = true)]
    command: Vec<String>,
}

/// Starts them and prints the variables by which tests find them; then runs the command, or waits for Ctrl-C.
pub(crate) fn run(arguments: &ServersArguments) -> Result<ExitCode> {
    let interrupts = Interrupts::listen()?;
    let servers = TestServers::start()?;
    let Some((program, rest)) = arguments.command.split_first() else {
        // In one go: whoever reads them may stop at the one that it wants.
        let exports = servers
            .variables()
            .map(|(name, value)| format!("export {name}='{value}'\n"));
        print!("{}", exports.collect::<String>());
        eprintln!("xtask: they run until Ctrl-C");
        interrupts.wait();
        return Ok(ExitCode::SUCCESS);
    };
    let mut command = Command::new(program);
    command.args(rest).envs(servers.variables());
    cargo::as_from_a_shell(&mut command);
    let mut child = interrupts.spawn(&mut command)?;
    let status: ExitStatus = child.wait().with_context(|| program.clone())?;
    interrupts.forget();
    Ok(interrupts.exit_code().unwrap_or_else(|| cargo::exit_code(status)))
}

/// Running servers. Dropping it ends them and removes their folder.
pub(crate) struct TestServers {
    variables: Vec<(&'static str, String)>,
    // Dropped in this order: the servers end before their files go.
    servers: [Server; 2],
    folder: TempDir,
}

impl TestServers {
    /// Starts them and waits until they answer.
    pub(crate) fn start() -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("rookery-servers-").tempdir();
        let folder = folder.context("a temporary folder")?;
        // PostgreSQL may run as another user, who has to get through.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o711)).context("a temporary folder")?;
        let ports = free_ports::free(2)?;
        let mut variables = Vec::new();
        let postgres = start_postgres(folder.path(), ports[0], &mut variables)?;
        let redis = start_redis(folder.path(), ports[1], &mut variables)?;
        find_others(&mut variables)?;
        eprintln!(
            "xtask: PostgreSQL on port {}, Redis on port {}, all of it in {}",
            ports[0],
            ports[1],
            folder.path().display()
        );
        Ok(Self {
            variables,
            servers: [postgres, redis],
            folder,
        })
    }

    /// What tests find them by.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

impl Drop for TestServers {
    fn drop(&mut self) {
        let names: Vec<&str> = self.servers.iter().map(Server::name).collect();
        eprintln!(
            "xtask: ending {} and removing {}",
            names.join(" and "),
            self.folder.path().display()
        );
    }
}

type Variables = Vec<(&'static str, String)>;

fn start_postgres(folder: &Path, port: u16, variables: &mut Variables) -> Result<Server> {
    let password = format!("{:032x}", rand::rng().random::<u128>());
    let postgres = Postgres::new(Account::for_postgres()?, folder.join("postgres"), port, password)?;
    postgres.create()?;
    let log = folder.join("postgres.log");
    let mut server = Server::start("PostgreSQL", &postgres.arguments(), log, End::AtOnce)?;
    server.wait_until(|| postgres.is_ready())?;
    variables.push(("ROOKERY_TEST_POSTGRES_URL", postgres.url("postgres")));
    Ok(server)
}

fn start_redis(folder: &Path, port: u16, variables: &mut Variables) -> Result<Server> {
    let program = tools::ensure(&tools::Redis)?;
    variables.push(("ROOKERY_TEST_REDIS_SERVER", text(&program)));
    let redis = Redis {
        server: program,
        folder: folder.join("redis"),
        port,
    };
    fs::create_dir(&redis.folder).context("a temporary folder")?;
    let arguments = redis.arguments(&[("--save", ""), ("--appendonly", "no")]);
    let mut server = Server::start("Redis", &arguments, folder.join("redis.log"), End::Gently)?;
    server.wait_until(|| redis::ping(redis.address()).is_ok())?;
    variables.push(("ROOKERY_TEST_REDIS_URL", redis.url()));
    Ok(server)
}

/// Programs that tests start themselves.
fn find_others(variables: &mut Variables) -> Result<()> {
    variables.push(("ROOKERY_TEST_HAPROXY", text(&tools::ensure(&tools::HaProxy)?)));
    let valkey: Option<PathBuf> = tools::ensure_optional(&tools::Valkey);
    variables.extend(valkey.map(|program| ("ROOKERY_TEST_VALKEY_SERVER", text(&program))));
    Ok(())
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

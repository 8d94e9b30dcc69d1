//! Making a stack: its ports, secrets and files, before anything runs.

use std::vec::IntoIter;

use anyhow::{Context, Result, bail};

use super::describe::{Description, POSTGRES, Process, REDIS, SERVICES};
use super::folder::{Folder, create_private_dir};
use super::keys::{Keys, random_text};
use super::options::Options;
use super::services::{self, Settings};
use super::{load_balancer, observe, processes, redis_cluster};
use crate::account::Account;
use crate::haproxy::Replica;
use crate::postgres::Postgres;
use crate::redis::Redis;
use crate::tools::{self, Tool};

/// The services' database.
const DATABASE: &str = "rookery";

/// Makes everything that a stack needs to be started.
pub(super) fn create(folder: &Folder, options: Options) -> Result<Description> {
    let mut ports = Ports::reserve(&options)?;
    // What an interrupted `up` has left.
    folder.remove()?;
    folder.create()?;
    let keys = Keys::create(&folder.keys())?;
    let (postgres, postgres_url) = create_postgres(folder, ports.next())?;
    let (redis, redis_url) = create_redis(folder, &options, &mut ports)?;
    let listen = load_balancer::Ports {
        public: if options.port == 0 { ports.next() } else { options.port },
        follow_graph: ports.next(),
        internal: ports.next(),
    };
    let observers = observe::create(folder, &options, || ports.next())?;
    let replicas = replicas(&options, &mut ports);
    let settings = Settings {
        options: &options,
        handed_on: services::handed_on(),
        keys: &keys,
        postgres_url: &postgres_url,
        redis_url: &redis_url,
        follow_graph_url: format!("http://127.0.0.1:{}", listen.follow_graph),
        otlp_endpoint: observe::traces_url(&observers),
    };
    let services: Vec<Process> = replicas
        .iter()
        .map(|replica| settings.process(folder, replica))
        .collect();
    let load_balancer = load_balancer::create(folder, &listen, replicas)?;
    let processes = [postgres]
        .into_iter()
        .chain(redis)
        .chain(services)
        .chain([load_balancer])
        .chain(observers);
    let processes = processes.map(|process| marked(folder, process)).collect();
    let stack = Description {
        url: format!("http://127.0.0.1:{}", listen.public),
        processes,
        admin_token: keys.read_admin_token()?,
        postgres_url,
        redis_url,
        options,
    };
    stack.write(folder)?;
    Ok(stack)
}

/// With what it is found by in its environment.
fn marked(folder: &Folder, mut process: Process) -> Process {
    let marks = processes::marks(folder, &process.name, process.replica);
    process.restart.env.extend(marks);
    process
}

/// Its files are in the stack's folder, or elsewhere if its user does not get in there: below a closed home.
fn create_postgres(folder: &Folder, port: u16) -> Result<(Process, String)> {
    let account = Account::for_postgres()?;
    if !account.reaches(folder.path()) {
        let elsewhere = tempfile::Builder::new().prefix("rookery-stack-").tempdir();
        let elsewhere = elsewhere.context("a temporary folder")?.keep();
        eprintln!("xtask: PostgreSQL's files are in {}", elsewhere.display());
        folder.link_postgres(&elsewhere)?;
    }
    let postgres = Postgres::new(account, folder.postgres(), port, random_text())?;
    postgres.create()?;
    postgres.create_database(DATABASE)?;
    let url = postgres.url(DATABASE);
    let process = Process::new(folder, POSTGRES, 0, url.clone(), postgres.arguments());
    Ok((process, url))
}

/// Everything is in its append-only file within a second, and nothing is dropped for want of memory: the event log is there
/// too.
const REDIS_OPTIONS: [(&str, &str); 3] = [
    ("--appendonly", "yes"),
    ("--appendfsync", "everysec"),
    ("--maxmemory-policy", "noeviction"),
];

fn create_redis(folder: &Folder, options: &Options, ports: &mut Ports) -> Result<(Vec<Process>, String)> {
    let tool: &dyn Tool = if options.valkey { &tools::Valkey } else { &tools::Redis };
    let server = tools::ensure(tool)?;
    let nodes = if options.redis_cluster { redis_cluster::NODES } else { 1 };
    let mut processes = Vec::new();
    for replica in 0..nodes {
        let redis = Redis {
            server: server.clone(),
            folder: folder.redis(replica),
            port: ports.next(),
        };
        create_private_dir(&redis.folder)?;
        let mut settings = REDIS_OPTIONS.to_vec();
        let bus_port = ports.next().to_string();
        if options.redis_cluster {
            settings.extend(redis_cluster::options(&bus_port));
        }
        processes.push(Process::new(
            folder,
            REDIS,
            replica,
            redis.url(),
            redis.arguments(&settings),
        ));
    }
    let hosts: Vec<&str> = processes
        .iter()
        .filter_map(|node| node.internal_url.strip_prefix("redis://"))
        .collect();
    let url = match hosts.as_slice() {
        [only] => format!("redis://{only}"),
        [first, others @ ..] => format!("redis-cluster://{first}?node={}", others.join("&node=")),
        [] => bail!("there is no node"),
    };
    Ok((processes, url))
}

fn replicas(options: &Options, ports: &mut Ports) -> Vec<Replica> {
    let names = SERVICES
        .iter()
        .flat_map(|&service| (0..options.replicas).map(move |number| (service, number)));
    let replicas = names.map(|(service, number)| Replica {
        service,
        number,
        public_port: ports.next(),
        internal_port: ports.next(),
    });
    replicas.collect()
}

/// Ports for everything, all different.
struct Ports(IntoIter<u16>);

impl Ports {
    fn reserve(options: &Options) -> Result<Self> {
        if options.port != 0 && !free_ports::is_free(options.port) {
            bail!("port {} is in use: choose another with --port", options.port);
        }
        let services = SERVICES.len() * options.replicas as usize * 2;
        let stores = 1 + redis_cluster::NODES as usize * 2;
        let (load_balancer, observers) = (3, 2);
        Ok(Self(
            free_ports::free(services + stores + load_balancer + observers)?.into_iter(),
        ))
    }

    fn next(&mut self) -> u16 {
        self.0
            .next()
            .expect("as many were reserved as there are processes to give them to")
    }
}

//! `cargo xtask stack up`.

use std::collections::HashMap;
use std::fs;
use std::process::{Child, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

use super::describe::{Description, LOAD_BALANCER, OTLP_RECEIVER, POSTGRES, PROMETHEUS, Process, REDIS, SERVICES};
use super::folder::Folder;
use super::options::UpArguments;
use super::{observe, plan, processes, ready, redis_cluster, services};

/// On a machine that has much else to do.
const PATIENCE: Duration = Duration::from_mins(2);
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// Processes of a PostgreSQL that was killed may live a little longer than it, and it starts only after them.
const POSTGRES_TRIES: u32 = 20;
const WHAT_NOW: &str =
    "What runs was left as it is: `cargo xtask stack up` tries again, `cargo xtask stack down` ends it.";
const LINES_OF_LOG: usize = 30;

/// Starts what does not run and waits until all is ready.
pub(super) fn run(folder: &Folder, arguments: &UpArguments) -> Result<ExitCode> {
    let _lock = folder.lock()?;
    let stack = match Description::read(folder)? {
        Some(stack) => {
            arguments.check_against(&stack.options)?;
            stack
        }
        None => plan::create(folder, arguments.options())?,
    };
    let mut start = Start {
        folder,
        stack,
        children: HashMap::new(),
    };
    start.find_running()?;
    if start.missing(&SERVICES) || start.missing(&[OTLP_RECEIVER]) {
        services::build(&start.stack.options)?;
    }
    start.all().map_err(|error| anyhow!("{error:#}\n{WHAT_NOW}"))?;
    println!("{}", what_to_try(folder, &start.stack));
    Ok(ExitCode::SUCCESS)
}

struct Start<'a> {
    folder: &'a Folder,
    stack: Description,
    /// Those that we started, by their position.
    children: HashMap<usize, Child>,
}

impl Start<'_> {
    /// Takes over the numbers of processes that run, by whomever they were started.
    fn find_running(&mut self) -> Result<()> {
        let running = processes::find(self.folder)?;
        for process in &mut self.stack.processes {
            let name = process.to_string();
            let found = running.iter().find(|found| found.process == name);
            process.pid = found.map(|found| found.pid.as_raw_pid().unsigned_abs());
        }
        self.stack.write(self.folder)
    }

    fn missing(&self, names: &[&str]) -> bool {
        let mut processes = self.stack.processes.iter();
        processes.any(|process| process.pid.is_none() && names.contains(&process.name.as_str()))
    }

    /// Stores first, then the schema, then everything at once.
    fn all(&mut self) -> Result<()> {
        let others = [POSTGRES, REDIS, LOAD_BALANCER, OTLP_RECEIVER, PROMETHEUS];
        if !self.missing(&others) && !self.missing(&SERVICES) {
            eprintln!("xtask: everything runs already");
        }
        self.start(POSTGRES)?;
        self.start(REDIS)?;
        self.wait(&[POSTGRES, REDIS])?;
        if self.stack.options.redis_cluster {
            redis_cluster::form(&self.redis_nodes()?)?;
        }
        self.start(OTLP_RECEIVER)?;
        self.wait(&[OTLP_RECEIVER])?;
        if self.missing(&SERVICES) {
            services::migrate(&self.stack)?;
        }
        for service in SERVICES {
            self.start(service)?;
        }
        self.start(LOAD_BALANCER)?;
        self.wait(&SERVICES)?;
        observe::write_targets(self.folder, &self.stack)?;
        self.start(PROMETHEUS)?;
        self.wait(&[LOAD_BALANCER, PROMETHEUS])
    }

    /// Starts those replicas of a part that do not run.
    fn start(&mut self, name: &str) -> Result<()> {
        for index in self.stack.all(name) {
            if self.stack.processes[index].pid.is_none() {
                self.launch(index)?;
            }
        }
        Ok(())
    }

    fn launch(&mut self, index: usize) -> Result<()> {
        let process = &mut self.stack.processes[index];
        let child = processes::start(process)?;
        eprintln!(
            "xtask: started {process} (pid {}), {}",
            child.id(),
            process.internal_host()
        );
        process.pid = Some(child.id());
        self.children.insert(index, child);
        self.stack.write(self.folder)
    }

    /// Until all replicas of these parts are ready.
    fn wait(&mut self, names: &[&str]) -> Result<()> {
        let begin = Instant::now();
        for name in names {
            for index in self.stack.all(name) {
                self.wait_for(index, begin)?;
            }
        }
        Ok(())
    }

    fn wait_for(&mut self, index: usize, begin: Instant) -> Result<()> {
        let mut tries = 0;
        while let Err(reason) = ready::check(&self.stack.processes[index]) {
            let ended = self.has_ended(index)?;
            let process = &self.stack.processes[index];
            if ended {
                tries += 1;
                if process.name != POSTGRES || tries > POSTGRES_TRIES {
                    bail!("{process} ended; its log says:\n{}", end_of_log(process));
                }
                thread::sleep(BETWEEN_TRIES * tries);
                self.launch(index)?;
            } else if begin.elapsed() > PATIENCE {
                bail!(
                    "{process} runs (pid {}) and does not become ready: {reason:#}; its log says:\n{}",
                    process.pid.unwrap_or_default(),
                    end_of_log(process)
                );
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }

    fn has_ended(&mut self, index: usize) -> Result<bool> {
        let Some(child) = self.children.get_mut(&index) else {
            return Ok(false);
        };
        Ok(child.try_wait().context("a child was lost")?.is_some())
    }

    fn redis_nodes(&self) -> Result<Vec<redis_cluster::Node>> {
        let nodes = self.stack.all(REDIS).into_iter();
        nodes
            .map(|index| redis_cluster::Node::of(&self.stack.processes[index]))
            .collect()
    }
}

fn end_of_log(process: &Process) -> String {
    let log = fs::read(&process.log).unwrap_or_default();
    let log = String::from_utf8_lossy(&log);
    let lines: Vec<&str> = log.lines().collect();
    let end = &lines[lines.len().saturating_sub(LINES_OF_LOG)..];
    format!("{}\n(all of it: {})", end.join("\n"), process.log.display())
}

fn what_to_try(folder: &Folder, stack: &Description) -> String {
    let Description {
        url,
        postgres_url,
        redis_url,
        ..
    } = stack;
    let json = "-H 'content-type: application/json'";
    let ada = r#"'{"handle":"ada","password":"correct horse"}'"#;
    let address = redis_url.split_once("://").map_or("", |(_, rest)| rest);
    let port = address
        .split('?')
        .next()
        .and_then(|host| host.split(':').nth(1))
        .unwrap_or_default();
    let cluster = if stack.options.redis_cluster { "-c " } else { "" };
    let observers = observe::what_to_try(folder, stack);
    let folder = folder.path().display();
    format!(
        r#"
Everything is ready. The API is at {url}; what to try:

curl -s {url}/v1/users {json} -d {ada}
TOKEN=$(curl -s {url}/v1/sessions {json} -d {ada} | sed 's/.*"token":"\([^"]*\)".*/\1/')
curl -s {url}/v1/tweets {json} -H "authorization: Bearer $TOKEN" -d '{{"text":"Hello, rookery"}}'
curl -s {url}/v1/timelines/home -H "authorization: Bearer $TOKEN"

psql {postgres_url}
redis-cli {cluster}-p {port}
{observers}cargo xtask stack status    # what runs; kill some of it, and `cargo xtask stack up` starts it again
cargo xtask stack down      # ends all of it and removes {folder}

Addresses, and how each process is started again: {folder}/stack.json; logs: {folder}/logs"#
    )
}

//! Processes of a stack: started so that they outlive us, and found again.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};

use super::describe::{POSTGRES, Process, Restart};
use super::folder::Folder;
use super::services::PREFIX;
use crate::tools;

/// The variable that names the folder of the stack that a process belongs to.
const STACK: &str = "ROOKERY_STACK";
/// The variable that says which of its processes it is: `fan-out 1`.
const PROCESS: &str = "ROOKERY_STACK_PROCESS";
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// By what a process is found, also when somebody else has started it again.
pub(super) fn marks(folder: &Folder, name: &str, replica: u32) -> BTreeMap<String, String> {
    let marks = [(STACK, folder.text()), (PROCESS, format!("{name} {replica}"))];
    marks.map(|(name, value)| (name.to_owned(), value)).into()
}

/// The command itself: of settings it gets those that are recorded, and no others.
pub(super) fn command(restart: &Restart) -> Command {
    with_environment(&restart.args, restart)
}

fn with_environment(arguments: &[String], restart: &Restart) -> Command {
    let mut command = Command::new(&arguments[0]);
    command.args(&arguments[1..]).current_dir("/").stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with(PREFIX) {
            command.env_remove(name);
        }
    }
    command.envs(&restart.env);
    command
}

/// Starts a process in a session of its own, so that neither our end nor a closed terminal ends it.
pub(super) fn start(process: &Process) -> Result<Child> {
    let log = File::options().create(true).append(true).open(&process.log);
    let log = log.with_context(|| process.log.display().to_string())?;
    let setsid = tools::on_path("setsid").context("setsid (of util-linux) is not installed")?;
    let mut arguments = vec![setsid.display().to_string()];
    arguments.extend_from_slice(&process.restart.args);
    with_environment(&arguments, &process.restart)
        .stdout(log.try_clone().context("a log")?)
        .stderr(log)
        .spawn()
        .with_context(|| format!("{process} could not be started: {}", process.restart.args.join(" ")))
}

/// A process that runs.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) pid: Pid,
    /// `fan-out 1`.
    pub(super) process: String,
}

/// All processes of the stack in this folder.
pub(super) fn find(folder: &Folder) -> Result<Vec<Found>> {
    let entries = fs::read_dir("/proc").context("/proc")?;
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let found = pids.filter_map(|number: i32| {
        let pid = Pid::from_raw(number)?;
        let process = name_of(number, folder)?;
        Some(Found { pid, process })
    });
    Ok(found.collect())
}

/// Which process of this stack that is, if it is one.
fn name_of(pid: i32, folder: &Folder) -> Option<String> {
    if is_postgres(&words(pid, "cmdline"), folder) {
        return Some(format!("{POSTGRES} 0"));
    }
    let environment = words(pid, "environ");
    let value = |name: &str| {
        let mut values = environment.iter().filter_map(|entry| entry.split_once('='));
        values.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let ours = value(STACK) == Some(folder.path().to_str()?);
    // Those that PostgreSQL starts itself end with it.
    value(PROCESS)
        .filter(|name| ours && !name.starts_with(POSTGRES))
        .map(str::to_owned)
}

/// PostgreSQL may run as another user, whose environment not even root may read in a container.
fn is_postgres(command: &[String], folder: &Folder) -> bool {
    let data = folder.postgres().join("data");
    let program = command.first().map(Path::new).and_then(Path::file_name);
    program.is_some_and(|name| name == POSTGRES)
        && command
            .windows(2)
            .any(|pair| pair[0] == "-D" && Path::new(&pair[1]) == data)
}

/// What the system knows of a process, a text for each part; nothing of one that has ended.
fn words(pid: i32, what: &str) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/{what}")).unwrap_or_default();
    let parts = bytes.split(|&byte| byte == 0);
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// Ends processes and waits until they are gone. A process that was stopped goes on, to end.
pub(super) fn end(processes: &[&Found], signal: Signal, patience: Duration) {
    for found in processes {
        send(found, signal);
        send(found, Signal::CONT);
    }
    let begin = Instant::now();
    while processes.iter().any(|found| !is_gone(found)) && begin.elapsed() < patience {
        thread::sleep(BETWEEN_TRIES);
    }
    for found in processes.iter().filter(|found| !is_gone(found)) {
        eprintln!("xtask: {} does not end: killing it", found.process);
        send(found, Signal::KILL);
    }
    while processes.iter().any(|found| !is_gone(found)) && begin.elapsed() < patience * 2 {
        thread::sleep(BETWEEN_TRIES);
    }
}

fn send(found: &Found, signal: Signal) {
    // It may have ended just now.
    let _ = kill_process(found.pid, signal);
}

/// Ended, be it that nobody has taken note. A killed process loses its memory, and with it its command line, before it gives
/// back its ports: those are free when its last thread is gone.
fn is_gone(found: &Found) -> bool {
    let folder = format!("/proc/{}", found.pid.as_raw_pid());
    let Ok(stat) = fs::read_to_string(format!("{folder}/stat")) else {
        return true;
    };
    let is_zombie = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
    is_zombie && fs::read_dir(format!("{folder}/task")).map_or(0, Iterator::count) <= 1
}

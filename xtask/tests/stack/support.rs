//! A stack in a temporary folder, ended with the test.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

const BETWEEN_TRIES: Duration = Duration::from_millis(50);
const TRIES: u32 = 600;

/// Without the servers that `cargo xtask test` has found or installed there is nothing to start.
pub(crate) fn installed() -> bool {
    let installed = env::var_os("ROOKERY_TEST_REDIS_SERVER").is_some();
    if !installed {
        eprintln!("SKIPPED: ROOKERY_TEST_REDIS_SERVER is not set; `cargo xtask test` sets it");
    }
    installed
}

/// A temporary folder with the programs of a stack: stand-ins for the services, and `xtask` itself.
pub(crate) struct Programs(TempDir);

impl Programs {
    pub(crate) fn new() -> Self {
        let temp = tempfile::tempdir().unwrap();
        // PostgreSQL may run as another user, who has to get through.
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o711)).unwrap();
        for service in ["tweet-ingest", "fan-out", "timeline-read", "follow-graph"] {
            symlink(stand_in(), temp.path().join(service)).unwrap();
        }
        symlink(env!("CARGO_BIN_EXE_xtask"), temp.path().join("xtask")).unwrap();
        Self(temp)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

/// A stack of stand-ins.
pub(crate) struct TestStack {
    programs: Programs,
}

impl TestStack {
    /// A stack that is ready.
    pub(crate) fn up(options: &[&str]) -> Self {
        Self::up_with(options, &[])
    }

    /// The same, with settings that are handed on to its services.
    pub(crate) fn up_with(options: &[&str], settings: &[(&str, &str)]) -> Self {
        let stack = Self {
            programs: Programs::new(),
        };
        let programs = stack.programs.path().to_str().unwrap();
        let mut up = stack.command(&[&["up", "--port", "0", "--programs", programs], options].concat());
        let output = up.envs(settings.iter().copied()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        stack
    }

    /// Runs `cargo xtask stack` on it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command.args(["stack", "--dir"]).arg(self.folder()).args(arguments);
        command
    }

    /// Ends it; nothing of it may be left. `child` is ours to wait for.
    pub(crate) fn down(&self, mut child: Child) {
        let output = self.run(&["down"]);
        assert!(output.status.success(), "{output:?}");
        child.wait().unwrap();
        assert!(!self.folder().exists());
        assert!(!self.run(&["status"]).status.success());
    }

    /// `stack.json`.
    pub(crate) fn description(&self) -> Value {
        serde_json::from_slice(&fs::read(self.folder().join("stack.json")).unwrap()).unwrap()
    }

    /// One of its processes, such as `fan-out 1`.
    pub(crate) fn process(&self, name: &str) -> Value {
        let description = self.description();
        let processes = description["processes"].as_array().unwrap();
        processes
            .iter()
            .find(|process| name_of(process) == name)
            .unwrap()
            .clone()
    }

    /// All processes with their numbers.
    pub(crate) fn pids(&self) -> BTreeMap<String, u32> {
        let description = self.description();
        let processes = description["processes"].as_array().unwrap().iter();
        processes
            .map(|process| (name_of(process), process["pid"].as_u64().unwrap().try_into().unwrap()))
            .collect()
    }

    /// `kill -9`, and waits until it is gone.
    pub(crate) fn kill(&self, name: &str) {
        let pid = self.pids()[name];
        self.signal(name, "-KILL");
        wait_until("an end", || !runs(pid));
    }

    pub(crate) fn signal(&self, name: &str, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.pids()[name].to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Starts a process as its description says.
    pub(crate) fn restart(&self, name: &str) -> Child {
        let restart = self.process(name)["restart"].clone();
        let arguments: Vec<String> = serde_json::from_value(restart["args"].clone()).unwrap();
        let environment: BTreeMap<String, String> = serde_json::from_value(restart["env"].clone()).unwrap();
        let mut command = Command::new(&arguments[0]);
        command.args(&arguments[1..]).envs(environment).stdin(Stdio::null());
        command.spawn().unwrap()
    }

    /// Status and body of an answer of the public API.
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let url = self.description()["url"].as_str().unwrap().to_owned();
        let address = url.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n"
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.programs.path().join("stack")
    }
}

impl Drop for TestStack {
    fn drop(&mut self) {
        let output = self.run(&["down"]);
        assert!(output.status.success() || thread::panicking(), "{output:?}");
    }
}

fn name_of(process: &Value) -> String {
    format!("{} {}", process["name"].as_str().unwrap(), process["replica"])
}

/// Cargo builds examples beside tests.
fn stand_in() -> PathBuf {
    let deps = env::current_exe().unwrap();
    let program = deps.parent().and_then(Path::parent).unwrap().join("examples/stand-in");
    assert!(
        program.is_file(),
        "`cargo test -p xtask` builds it, one test target alone does not"
    );
    program
}

/// Whether there is such a process, other than one that waits to be taken note of.
pub(crate) fn runs(pid: u32) -> bool {
    fs::read(format!("/proc/{pid}/cmdline")).is_ok_and(|command| !command.is_empty())
}

/// Waits for something that must come true.
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..TRIES {
        if holds() {
            return;
        }
        thread::sleep(BETWEEN_TRIES);
    }
    panic!("{what} never came true");
}

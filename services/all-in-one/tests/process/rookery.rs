//! Starts the program and talks to it.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Far beyond what anything here takes; a test that comes to it has found a hang.
const GIVE_UP: Duration = Duration::from_secs(90);

/// A folder to run in. The data go into `data` in it.
pub(crate) struct Place {
    path: PathBuf,
    settings: Vec<(&'static str, String)>,
    _removed_with_it: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self::within("place")
    }

    /// A folder of this name.
    pub(crate) fn within(name: &str) -> Self {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join(name);
        fs::create_dir(&path).unwrap();
        Self {
            path,
            settings: Vec::new(),
            _removed_with_it: parent,
        }
    }

    /// With a setting for all that runs here.
    pub(crate) fn with(mut self, variable: &'static str, value: impl Into<String>) -> Self {
        self.settings.push((variable, value.into()));
        self
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// A file with this content.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The program with the ports left to the system.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rookery"));
        command
            .current_dir(self.path())
            .env("ROOKERY__HTTP__ADDR", "127.0.0.1:0")
            .env("ROOKERY__INTERNAL__ADDR", "127.0.0.1:0")
            .envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run(self.command().args(arguments))
    }

    /// Starts the program and waits until it says where it listens.
    pub(crate) fn start(&self) -> Rookery {
        let log = self.path().join("log");
        let stderr = File::options().create(true).append(true).open(&log).unwrap();
        let mut process = self.command().stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (lines, printed) = mpsc::channel();
        thread::spawn(move || {
            stdout
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| lines.send(line))
        });
        let mut rookery = Rookery {
            process,
            banner: Vec::new(),
            log,
        };
        while rookery.banner.len() < 2 {
            let line = printed.recv_timeout(GIVE_UP);
            rookery
                .banner
                .push(line.unwrap_or_else(|_| panic!("it did not start: {}", rookery.log())));
        }
        while let Ok(line) = printed.recv_timeout(Duration::from_millis(200)) {
            rookery.banner.push(line);
        }
        rookery
    }
}

/// A command that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

pub(crate) fn run(command: &mut Command) -> Ended {
    let Output { status, stdout, stderr } = command.stdin(Stdio::null()).output().unwrap();
    Ended {
        code: status.code(),
        stdout: String::from_utf8(stdout).unwrap(),
        stderr: String::from_utf8(stderr).unwrap(),
    }
}

impl Ended {
    /// What it printed; it must have succeeded.
    #[track_caller]
    pub(crate) fn succeeded(self) -> String {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// What it complained of: a few sentences, no backtrace.
    #[track_caller]
    pub(crate) fn failed_with(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}{}", self.stdout, self.stderr);
        assert!(
            self.stderr.starts_with("rookery: ") || self.stderr.contains("\nrookery: "),
            "{}",
            self.stderr
        );
        for leak in ["panicked", "backtrace", "Error {", "Os {"] {
            assert!(!self.stderr.contains(leak), "{}", self.stderr);
        }
        self.stderr
    }
}

/// The running program. Killed when dropped.
pub(crate) struct Rookery {
    process: Child,
    pub(crate) banner: Vec<String>,
    log: PathBuf,
}

impl Rookery {
    /// Where it listens, as it said.
    pub(crate) fn url(&self) -> &str {
        let (_, rest) = self.banner[0].split_once("listens on ").unwrap();
        rest.split_once(',').unwrap().0
    }

    /// Where operators reach it, as it said.
    pub(crate) fn internal_url(&self) -> &str {
        let (_, rest) = self.banner[0].split_once("for operators on ").unwrap();
        rest.trim_end_matches('.')
    }

    /// What it has logged.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Waits for a line in its log.
    #[track_caller]
    pub(crate) fn logs(&self, what: &str) {
        let give_up = Instant::now() + GIVE_UP;
        while !self.log().contains(what) {
            assert!(Instant::now() < give_up, "{what:?} was not logged: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn kill_9(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        self.signal("-INT");
    }

    /// What a platform sends.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    fn signal(&self, signal: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) -> ExitStatus {
        let give_up = Instant::now() + GIVE_UP;
        loop {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < give_up, "it does not end: {}", self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// One request with curl.
    pub(crate) fn request(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
        self.request_with(&[], method, path, token, body)
    }

    /// One request with headers of its own.
    pub(crate) fn request_with(
        &self,
        headers: &[&str],
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "60", "-w", "\n%{http_code}", "-X", method]);
        for header in headers {
            curl.args(["-H", header]);
        }
        if let Some(token) = token {
            curl.args(["-H", &format!("authorization: Bearer {token}")]);
        }
        if let Some(body) = body {
            curl.args(["-H", "content-type: application/json", "-d", &body.to_string()]);
        }
        let answer = run(curl.arg(format!("{}{path}", self.url()))).succeeded();
        let (body, status) = answer.rsplit_once('\n').unwrap();
        (
            status.parse().unwrap(),
            serde_json::from_str(body).unwrap_or(Value::Null),
        )
    }

    /// A request that must succeed.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, token: Option<&str>, body: Option<&Value>) -> Value {
        let (status, answer) = self.request(method, path, token, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// Signs up and logs in: id and token.
    pub(crate) fn sign_up(&self, handle: &str) -> (String, String) {
        let credentials = serde_json::json!({"handle": handle, "password": "correct horse"});
        let user = self.ask("POST", "/v1/users", None, Some(&credentials));
        let session = self.ask("POST", "/v1/sessions", None, Some(&credentials));
        (text(&user["id"]), text(&session["token"]))
    }

    /// The texts of somebody's home timeline, newest first.
    pub(crate) fn home(&self, token: &str) -> Vec<String> {
        let page = self.ask("GET", "/v1/timelines/home?limit=100", Some(token), None);
        page["tweets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tweet| text(&tweet["text"]))
            .collect()
    }
}

impl Drop for Rookery {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

pub(crate) fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no string"))
        .to_owned()
}

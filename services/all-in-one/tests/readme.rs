//! The commands of README.md do what it says when they are pasted one after another.
//!
//! Blocks marked `sh test` are run in order in one shell, in an empty folder, beside the server that the block marked
//! `sh test=server` starts. Only two things differ from what is printed: `cargo run --release` is the program under test,
//! and the ports are free ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const README: &str = include_str!("../../../README.md");
const ROOKERY: &str = env!("CARGO_BIN_EXE_rookery");

/// How the shell of the test understands `cargo run --release [-- arguments]`.
const PRELUDE: &str = r#"
set -euo pipefail
cargo() {
  [[ $1 == run && $2 == --release ]] || { echo "README runs cargo $*: not understood" >&2; exit 64; }
  shift 2
  [[ ${1-} != -- ]] || shift
  "$ROOKERY" "$@"
}
"#;

/// The fenced blocks of a Markdown text with exactly this info string.
fn blocks(markdown: &str, info: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = markdown.lines();
    while let Some(line) = lines.next() {
        let Some(opened) = line.strip_prefix("```") else {
            continue;
        };
        let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
        if opened == info {
            found.push(block.join("\n"));
        }
    }
    found
}

struct Server {
    process: Child,
    public: u16,
    internal: u16,
}

impl Server {
    /// Starts the program and waits until it listens.
    fn start(folder: &Path) -> Self {
        let ports = free_ports::free(2).unwrap();
        let (public, internal) = (ports[0], ports[1]);
        let process = command(Path::new(ROOKERY), folder, public, internal)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self {
            process,
            public,
            internal,
        };
        let give_up = Instant::now() + Duration::from_mins(1);
        while TcpStream::connect(("127.0.0.1", public)).is_err() {
            assert_eq!(
                server.process.try_wait().unwrap(),
                None,
                "the server ended at its start"
            );
            assert!(Instant::now() < give_up, "the server does not listen");
            thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn command(program: &Path, folder: &Path, public: u16, internal: u16) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(folder)
        .env("ROOKERY", ROOKERY)
        .env("ROOKERY__HTTP__ADDR", format!("127.0.0.1:{public}"))
        .env("ROOKERY__INTERNAL__ADDR", format!("127.0.0.1:{internal}"));
    command
}

#[test]
fn the_commands_work_in_order() {
    assert_eq!(blocks(README, "sh test=server"), ["cargo run --release"]);
    let blocks = blocks(README, "sh test");
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let script = format!("{PRELUDE}{}", blocks.join("\necho; echo '--- next block'\n"))
        .replace("localhost:8080", &format!("127.0.0.1:{}", server.public))
        .replace("localhost:8081", &format!("127.0.0.1:{}", server.internal));
    let output = command(Path::new("bash"), folder.path(), server.public, server.internal)
        .args(["-c", &script])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}\n{text}\n{errors}", output.status);
    assert!(!text.contains("urn:rookery:problem"), "{text}\n{errors}");

    let said: Vec<&str> = text.split("--- next block").collect();
    let times = |block: usize, what: &str| said[block].matches(what).count();
    assert_eq!(said.len(), 3, "{text}");
    assert_eq!(
        times(0, "Hello, rookery"),
        2,
        "in the answer to the post and in the home timeline: {text}"
    );
    assert_eq!(
        times(1, "Good morning from u7"),
        2,
        "in u7's answer and in u15's home timeline: {text}"
    );
    assert_eq!(
        times(2, "Good morning from u7"),
        1,
        "in u15's home timeline, pulled: {text}"
    );
    assert_eq!(times(2, r#""strategy":"pull""#), 1, "{text}");
    assert_eq!(times(2, r#""strategy":"hybrid""#), 1, "{text}");
}

#[test]
fn blocks_are_told_apart_by_what_they_are_marked_with() {
    let text = "```sh test\na\nb\n```\ntext\n```sh\nc\n```\n```sh test=server\nd\n```\n```sh test\ne\n```\n";
    assert_eq!(blocks(text, "sh test"), ["a\nb", "e"]);
    assert_eq!(blocks(text, "sh test=server"), ["d"]);
}

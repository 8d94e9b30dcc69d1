//! `cargo xtask servers`: what it starts answers, and nothing of it is left afterwards.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

const BETWEEN_TRIES: Duration = Duration::from_millis(50);
const TRIES: u32 = 600;

/// Installing system packages is not what one expects of a test: without the servers that `cargo xtask test` has found or
/// installed there is nothing to test.
fn installed() -> bool {
    let installed = env::var_os("ROOKERY_TEST_REDIS_SERVER").is_some();
    if !installed {
        eprintln!("SKIPPED: ROOKERY_TEST_REDIS_SERVER is not set; `cargo xtask test` sets it");
    }
    installed
}

/// `servers`, with its temporary folders in a place of the test's own.
fn command(temp: &tempfile::TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.arg("servers").env("TMPDIR", temp.path());
    command
}

/// A folder that the user `postgres` gets into.
fn temp() -> tempfile::TempDir {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}

/// Starts it and reads what it prints, up to the last variable that is always there.
fn start(temp: &tempfile::TempDir) -> (Child, HashMap<String, String>) {
    let mut child = command(temp).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut variables = HashMap::new();
    while !variables.contains_key("ROOKERY_TEST_HAPROXY") {
        let line = lines.next().expect("it prints all variables").unwrap();
        let (name, value) = line.strip_prefix("export ").unwrap().split_once('=').unwrap();
        variables.insert(name.to_owned(), value.trim_matches('\'').to_owned());
    }
    (child, variables)
}

/// Host and port of a URL.
fn address(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.split_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().unwrap().to_owned()
}

fn addresses(variables: &HashMap<String, String>) -> Vec<String> {
    ["ROOKERY_TEST_POSTGRES_URL", "ROOKERY_TEST_REDIS_URL"]
        .map(|name| address(&variables[name]))
        .into()
}

fn answers(address: &str) -> bool {
    TcpStream::connect(address).is_ok()
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(sent.unwrap().success());
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    for _ in 0..TRIES {
        if holds() {
            return;
        }
        thread::sleep(BETWEEN_TRIES);
    }
    panic!("{what} never came true");
}

#[test]
fn servers_answer_and_leave_nothing() {
    if !installed() {
        return;
    }
    let temp = temp();
    let (mut child, variables) = start(&temp);
    let addresses = addresses(&variables);
    assert!(addresses.iter().all(|address| answers(address)), "{variables:?}");
    signal(&child, "-TERM");
    assert!(child.wait().unwrap().success());
    assert!(!addresses.iter().any(|address| answers(address)), "they have ended");
    assert_eq!(temp.path().read_dir().unwrap().count(), 0, "their folder is gone");
}

#[test]
#[cfg(target_os = "linux")]
fn servers_end_even_when_nobody_can_end_them() {
    if !installed() {
        return;
    }
    let temp = temp();
    let (mut child, variables) = start(&temp);
    child.kill().unwrap();
    child.wait().unwrap();
    let addresses = addresses(&variables);
    wait_until("the end of the servers", || {
        !addresses.iter().any(|address| answers(address))
    });
}

#[test]
fn a_command_gets_the_variables_and_its_exit_code_counts() {
    if !installed() {
        return;
    }
    let temp = temp();
    let script = "test -n \"$ROOKERY_TEST_POSTGRES_URL\" && echo \"$ROOKERY_TEST_REDIS_URL\"";
    let output = command(&temp).args(["--", "sh", "-c", script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let url = String::from_utf8(output.stdout).unwrap();
    assert!(!answers(&address(url.trim())), "it ended with the command");
    let failed = command(&temp).args(["--", "false"]).status().unwrap();
    assert!(!failed.success());
    assert_eq!(temp.path().read_dir().unwrap().count(), 0, "their folders are gone");
}

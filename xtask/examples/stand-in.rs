//! Stands in for a service where the stack itself is tested: it listens where a service would, is ready at once, and
//! answers each request with its own name.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;
use std::thread;

/// What every service needs to know.
const NEEDED: [&str; 7] = [
    "ROOKERY__HTTP__ADDR",
    "ROOKERY__INTERNAL__ADDR",
    "ROOKERY__ADMIN__TOKEN_FILE",
    "ROOKERY__AUTH__PUBLIC_KEYS_FILE",
    "ROOKERY__POSTGRES__URL",
    "ROOKERY__REDIS__URL",
    "ROOKERY__FOLLOW_GRAPH__URL",
];

fn main() -> ExitCode {
    let environment: Vec<(String, String)> = env::vars().collect();
    let value = |wanted: &str| {
        environment
            .iter()
            .find(|(name, _)| name == wanted)
            .map(|(_, value)| value.as_str())
    };
    if let Some(missing) = NEEDED.iter().find(|name| value(name).is_none()) {
        eprintln!("{missing} is not set");
        return ExitCode::from(64);
    }
    if env::args().nth(1).as_deref() == Some("migrate") {
        println!("migrated");
        return ExitCode::SUCCESS;
    }
    let name = value("ROOKERY_STACK_PROCESS").unwrap_or_default();
    thread::scope(|scope| {
        for address in ["ROOKERY__HTTP__ADDR", "ROOKERY__INTERNAL__ADDR"].map(|name| value(name).unwrap_or_default()) {
            scope.spawn(move || serve(address, name));
        }
    });
    ExitCode::SUCCESS
}

fn serve(address: &str, name: &str) {
    let listener = TcpListener::bind(address).expect("the stack has reserved the port");
    for stream in listener.incoming().flatten() {
        // Whoever asks may go away.
        let _ = answer(&stream, name);
    }
}

fn answer(stream: &TcpStream, name: &str) -> std::io::Result<()> {
    let lines = BufReader::new(stream).lines();
    let head: Vec<String> = lines
        .take_while(|line| line.as_ref().is_ok_and(|line| !line.is_empty()))
        .flatten()
        .collect();
    let forwarded = head
        .iter()
        .any(|line| line.eq_ignore_ascii_case("x-forwarded-for: 127.0.0.1"));
    let body = if forwarded {
        name.to_owned()
    } else {
        format!("{name}, asked directly")
    };
    let mut stream = stream;
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

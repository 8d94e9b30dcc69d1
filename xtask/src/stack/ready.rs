//! Whether a part of a stack can serve.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::describe::Process;
use crate::redis;
use crate::tools::{self, Tool};

const PATIENCE: Duration = Duration::from_secs(2);

/// Asks it; an error says why it can't.
pub(super) fn check(process: &Process) -> Result<()> {
    let scheme = process.internal_url.split("://").next().unwrap_or_default();
    match scheme {
        "postgres" => postgres(address(process)?),
        "redis" => redis::ping(address(process)?),
        _ => get(process, process.ready_path()).map(drop),
    }
}

fn postgres(address: SocketAddr) -> Result<()> {
    let server = tools::Postgres.find().context("PostgreSQL is not installed any more")?;
    let status = Command::new(server.with_file_name("pg_isready"))
        .args(["--quiet", "--host", &address.ip().to_string()])
        .args(["--port", &address.port().to_string()])
        .status()
        .context("pg_isready")?;
    if !status.success() {
        bail!("it takes no connections");
    }
    Ok(())
}

/// `GET` of a path of a part that speaks HTTP: the beginning of the body, if the answer is 200.
pub(super) fn get(process: &Process, path: &str) -> Result<String> {
    let address = address(process)?;
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("nobody listens")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).context("it does not listen")?;
    let mut answer = Vec::new();
    stream
        .take(16_384)
        .read_to_end(&mut answer)
        .context("it does not answer")?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status_line = head.lines().next().unwrap_or_default();
    if status_line.split(' ').nth(1) != Some("200") {
        bail!("{status_line}: {}", body.trim());
    }
    Ok(body.to_owned())
}

fn address(process: &Process) -> Result<SocketAddr> {
    process.internal_host().parse().with_context(|| process.to_string())
}

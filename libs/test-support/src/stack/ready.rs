//! Whether a part can serve, asked in its own protocol.

use std::io;
use std::time::Duration;

use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::description::Process;
use crate::transport::{HttpTransport, Request, Transport};

const PATIENCE: Duration = Duration::from_secs(5);

/// Succeeds if it can serve.
pub(super) async fn check(process: &Process, internal: &HttpTransport) -> io::Result<()> {
    let host = process.internal_host();
    let asked = async {
        match process.scheme() {
            "postgres" => expect(host, &startup_message(), b"R").await,
            "redis" => expect(host, b"PING\r\n", b"+PONG").await,
            _ => is_ready(internal, process.ready_path()).await,
        }
    };
    timeout(PATIENCE, asked)
        .await
        .unwrap_or_else(|_| Err(io::Error::other("it does not answer")))
}

async fn is_ready(internal: &HttpTransport, path: &str) -> io::Result<()> {
    let answer = internal.send(Request::new(Method::GET, path)).await;
    answer
        .and_then(|answer| answer.expect(200))
        .map(drop)
        .map_err(io::Error::other)
}

/// Sends something and insists on how the answer begins.
async fn expect(host: &str, question: &[u8], beginning: &[u8]) -> io::Result<()> {
    let mut stream = TcpStream::connect(host).await?;
    stream.write_all(question).await?;
    let mut answer = vec![0; beginning.len()];
    stream.read_exact(&mut answer).await?;
    if answer == beginning {
        return Ok(());
    }
    Err(io::Error::other(format!("it answers {}", answer.escape_ascii())))
}

/// What a client of PostgreSQL begins with. The answer begins with R for "who are you?", and with E for "not now".
fn startup_message() -> Vec<u8> {
    const VERSION: u32 = 3 << 16;
    let parameters = b"user\0rookery\0database\0rookery\0\0";
    let length = u32::try_from(8 + parameters.len()).expect("a few bytes");
    [&length.to_be_bytes()[..], &VERSION.to_be_bytes(), parameters].concat()
}

//! A load client as cheap as can be, so that on a small machine it leaves the processor to the server: connections that
//! are kept alive, one request at a time on each, no pipelining, answers told apart by their `content-length`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What to send, and for how long.
#[derive(Clone)]
pub(crate) struct Load {
    /// To whom.
    pub(crate) address: SocketAddr,
    /// Whole requests; the connections take turns through them.
    pub(crate) requests: Arc<[Bytes]>,
    /// How many at the same time.
    pub(crate) connections: usize,
    /// For how long.
    pub(crate) duration: Duration,
}

/// What came back.
pub(crate) struct Outcome {
    /// Answers with the status that was expected.
    pub(crate) answers: u64,
    /// Others.
    pub(crate) refused: u64,
    /// In how long.
    pub(crate) elapsed: Duration,
    /// From the first byte sent to the last received, in microseconds.
    pub(crate) latency_us: Histogram<u64>,
}

impl Outcome {
    fn empty() -> Result<Self> {
        Ok(Self {
            answers: 0,
            refused: 0,
            elapsed: Duration::ZERO,
            latency_us: Histogram::new_with_max(60_000_000, 3)?,
        })
    }

    /// Good answers a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }
}

/// A GET request.
pub(crate) fn get(path: &str, token: &str) -> Bytes {
    format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\n\r\n").into()
}

/// A POST request with a JSON body.
pub(crate) fn post(path: &str, token: &str, body: &str) -> Bytes {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into()
}

/// Sends one request and gives the status and the body of its answer.
pub(crate) async fn once(address: SocketAddr, request: &[u8]) -> Result<(u16, Vec<u8>)> {
    let mut connection = Connection::open(address).await?;
    let answer = connection.exchange(request).await?;
    Ok((answer.status, connection.received[answer.head..answer.end].to_vec()))
}

/// Sends requests from a thread of its own, which counts those answered with `expected`.
pub(crate) async fn run(load: Load, expected: u16) -> Result<Outcome> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(on_this_thread(&load, expected))
    })
    .await?
}

async fn on_this_thread(load: &Load, expected: u16) -> Result<Outcome> {
    let begun = Instant::now();
    let until = begun + load.duration;
    let connections = (0..load.connections).map(|number| on_connection(load, number, expected, until));
    let mut all = Outcome::empty()?;
    for outcome in futures::future::try_join_all(connections).await? {
        all.answers += outcome.answers;
        all.refused += outcome.refused;
        all.latency_us.add(&outcome.latency_us)?;
    }
    all.elapsed = begun.elapsed();
    Ok(all)
}

async fn on_connection(load: &Load, number: usize, expected: u16, until: Instant) -> Result<Outcome> {
    let mut connection = Connection::open(load.address).await?;
    let mut outcome = Outcome::empty()?;
    let mut next = number;
    while Instant::now() < until {
        let sent = Instant::now();
        let answer = connection.exchange(&load.requests[next % load.requests.len()]).await?;
        let took_us = u64::try_from(sent.elapsed().as_micros()).unwrap_or(u64::MAX);
        outcome.latency_us.saturating_record(took_us);
        if answer.status == expected {
            outcome.answers += 1;
        } else {
            outcome.refused += 1;
        }
        next += load.connections;
    }
    Ok(outcome)
}

struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

/// Where an answer lies in what was received.
struct Answer {
    status: u16,
    head: usize,
    end: usize,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            received: Vec::with_capacity(64 * 1_024),
        })
    }

    /// Sends a request and waits for all of its answer.
    async fn exchange(&mut self, request: &[u8]) -> Result<Answer> {
        self.received.clear();
        self.stream.write_all(request).await?;
        let mut answer: Option<Answer> = None;
        loop {
            if self.stream.read_buf(&mut self.received).await? == 0 {
                bail!("the server closed the connection");
            }
            if answer.is_none() {
                answer = parse_head(&self.received)?;
            }
            if let Some(answer) = answer.take_if(|answer| answer.end <= self.received.len()) {
                return Ok(answer);
            }
        }
    }
}

/// `None` while the head is not all there.
fn parse_head(received: &[u8]) -> Result<Option<Answer>> {
    let Some(end_of_head) = received.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = std::str::from_utf8(&received[..end_of_head])?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.context("an answer without content-length")?.parse()?;
    let body = end_of_head + 4;
    Ok(Some(Answer {
        status,
        head: body,
        end: body + length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_length_says() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 5\r\nx: y\r\n\r\nhello";
        let answer = parse_head(bytes).unwrap().unwrap();
        assert_eq!((answer.status, answer.end), (201, bytes.len()));
        assert_eq!(&bytes[answer.head..answer.end], b"hello");
        assert!(parse_head(&bytes[..20]).unwrap().is_none());
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }
}

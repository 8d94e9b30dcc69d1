//! A load client as cheap as can be, so that on a small machine it leaves the processor to the server: connections that
//! are kept alive, one request at a time on each, no pipelining, answers told apart by their `content-length`.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use futures::future::try_join_all;
use load_tests::latencies::Latencies;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pace::{Moments, Pace};
use crate::processor;

/// What to send, and how fast.
#[derive(Clone)]
pub(crate) struct Load {
    /// To whom.
    pub(crate) address: SocketAddr,
    /// Whole requests; the connections take turns through them.
    pub(crate) requests: Arc<[Bytes]>,
    /// How many at the same time.
    pub(crate) connections: usize,
    /// How fast, for how long.
    pub(crate) pace: Pace,
}

/// What came back.
#[derive(Default)]
pub(crate) struct Outcome {
    /// Answers with the status that was expected.
    pub(crate) answers: u64,
    /// Others.
    pub(crate) refused: u64,
    /// In how long.
    pub(crate) elapsed: Duration,
    /// Of the good answers: from the moment that a request was due to the last byte. Without a rate it was due when it was
    /// sent.
    pub(crate) latencies: Latencies,
    /// Processor time that the load took, of the thread that it came from.
    pub(crate) processor: Duration,
}

impl Outcome {
    /// Good answers a second.
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    pub(crate) fn rate(&self) -> f64 {
        self.answers as f64 / self.elapsed.as_secs_f64()
    }
}

/// Told of each good answer: when its request was due, and the body.
pub(crate) type Note = dyn Fn(Instant, &[u8]) -> Result<()> + Send;

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
    run_noting(load, expected, Box::new(|_, _| Ok(()))).await
}

/// As [`run`], and each good answer is noted.
pub(crate) async fn run_noting(load: Load, expected: u16, note: Box<Note>) -> Result<Outcome> {
    tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let before = processor::time_of_this_thread()?;
        let mut outcome = runtime.block_on(on_this_thread(&load, expected, &*note))?;
        outcome.processor = processor::time_of_this_thread()?.saturating_sub(before);
        Ok(outcome)
    })
    .await?
}

async fn on_this_thread(load: &Load, expected: u16, note: &Note) -> Result<Outcome> {
    let connections = (0..load.connections).map(|_| Connection::open(load.address));
    let connections = try_join_all(connections).await?;
    let moments = Moments::begin(load.pace, load.requests.len());
    let outcome = RefCell::new(Outcome::default());
    let on_connection = |mut connection: Connection| {
        let (moments, outcome) = (&moments, &outcome);
        async move {
            while let Some((request, due)) = moments.next().await {
                let answer = connection.exchange(&load.requests[request]).await?;
                let mut outcome = outcome.borrow_mut();
                if answer.status == expected {
                    outcome.answers += 1;
                    outcome.latencies.add(due.elapsed());
                    note(due, &connection.received[answer.head..answer.end])?;
                } else {
                    outcome.refused += 1;
                }
            }
            anyhow::Ok(())
        }
    };
    try_join_all(connections.into_iter().map(on_connection)).await?;
    let elapsed = moments.elapsed();
    Ok(Outcome {
        elapsed,
        ..outcome.into_inner()
    })
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

//! One JSON document a line, of bounded length, within a bounded time.

use std::io;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

/// Room for a batch of the largest numbers.
const MAX_LINE_BYTES: u64 = 40 * graph_import::graph_file::BATCH_EDGES as u64;

/// How long the other side may take to read a line.
const SEND_WITHIN: Duration = Duration::from_secs(30);

/// Why a line was not sent or received.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection broke.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The other side is silent.
    #[error("it did not answer in time")]
    TimedOut,
    /// It sends a line without an end.
    #[error("it sent a line that is too long")]
    TooLong,
    /// It speaks another language.
    #[error("it sent something that is not understood: {0}")]
    NotUnderstood(#[from] serde_json::Error),
}

/// One end of a connection.
pub(super) struct Wire {
    reader: BufReader<OwnedReadHalf>,
    writer: OwnedWriteHalf,
    /// What has come of the next line. Kept here, so that a `receive` that is given up loses nothing.
    line: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self {
            reader: BufReader::with_capacity(1 << 16, reader),
            writer,
            line: Vec::new(),
        }
    }

    /// Sends a line.
    pub(super) async fn send(&mut self, message: &impl Serialize) -> Result<(), WireError> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        match timeout(SEND_WITHIN, self.writer.write_all(&line)).await {
            Ok(sent) => Ok(sent?),
            Err(_) => Err(WireError::TimedOut),
        }
    }

    /// Waits for a line; `None` when the other side has closed.
    pub(super) async fn receive<T: DeserializeOwned>(&mut self, within: Duration) -> Result<Option<T>, WireError> {
        let room = MAX_LINE_BYTES.saturating_sub(self.line.len() as u64);
        let mut bounded = (&mut self.reader).take(room);
        match timeout(within, bounded.read_until(b'\n', &mut self.line)).await {
            Ok(read) => read?,
            Err(_) => return Err(WireError::TimedOut),
        };
        let line = std::mem::take(&mut self.line);
        if line.ends_with(b"\n") {
            Ok(Some(serde_json::from_slice(&line)?))
        } else if line.len() as u64 >= MAX_LINE_BYTES {
            Err(WireError::TooLong)
        } else {
            // Half a line is that of somebody who was stopped in the middle of it.
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn lines_arrive_and_the_end_is_seen() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Wire::new(a), Wire::new(b));
        a.send(&"hello").await.unwrap();
        a.writer.write_all(b"\"half").await.unwrap();
        drop(a);
        assert_eq!(b.receive::<String>(SOON).await.unwrap().as_deref(), Some("hello"));
        assert_eq!(b.receive::<String>(SOON).await.unwrap(), None);
    }

    #[tokio::test]
    async fn an_endless_line_ends_the_conversation() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Wire::new(a), Wire::new(b));
        let sending = tokio::spawn(async move { a.send(&"x".repeat(1 << 20)).await });
        assert!(matches!(b.receive::<String>(SOON).await, Err(WireError::TooLong)));
        drop(b);
        assert!(sending.await.unwrap().is_err());
    }

    #[tokio::test]
    async fn silence_and_nonsense_are_told_apart() {
        let (a, b) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (Wire::new(a), Wire::new(b));
        assert!(matches!(
            b.receive::<String>(Duration::from_millis(1)).await,
            Err(WireError::TimedOut)
        ));
        a.writer.write_all(b"nonsense\n").await.unwrap();
        assert!(matches!(
            b.receive::<String>(SOON).await,
            Err(WireError::NotUnderstood(_))
        ));
    }
}

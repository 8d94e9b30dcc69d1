//! The side of a command.

use std::io;
use std::path::Path;
use std::time::Duration;

use model::{AccountName, TweetId};
use storage::ImportCounts;
use timeline_read::{Explanation, RebuildCounts};
use tokio::net::UnixStream;

use super::address::SocketAddress;
use super::protocol::{Answer, ImportPart, Request};
use super::wire::{Wire, WireError};

/// Longer than the server gives a batch.
const ANSWER_WITHIN: Duration = Duration::from_mins(3);

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The server said no.
    #[error("{sentence}")]
    Refused {
        /// Why.
        sentence: String,
        /// What to exit with.
        exit_code: u8,
    },
    /// The conversation broke.
    #[error("the running process was lost: {0}")]
    Lost(#[from] WireError),
    /// The server went away in the middle.
    #[error("the running process ended in the middle of the command")]
    Closed,
    /// It answers what was not asked; it may be of another build.
    #[error("the running process gave an unexpected answer: is it of the same version?")]
    Unexpected,
}

/// A connection to the running process, for one command.
pub(crate) struct Client {
    wire: Wire,
}

impl Client {
    /// Connects.
    pub(crate) async fn connect(socket: &Path) -> io::Result<Self> {
        let address = SocketAddress::of(socket)?;
        let stream = UnixStream::connect(address.path()).await?;
        Ok(Self {
            wire: Wire::new(stream),
        })
    }

    /// A token for the account with this handle.
    pub(crate) async fn token(mut self, handle: String) -> Result<String, ClientError> {
        self.wire.send(&Request::Token { handle }).await?;
        match self.answer().await? {
            Answer::Token { token } => Ok(token),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Why a tweet is, or is not, in somebody's home timeline.
    pub(crate) async fn explain(mut self, user: AccountName, tweet: TweetId) -> Result<Explanation, ClientError> {
        let user = user.to_string();
        self.wire.send(&Request::Explain { user, tweet }).await?;
        match self.answer().await? {
            Answer::Explained { explanation } => Ok(explanation),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Whether the stores are at the schema of the running process.
    pub(crate) async fn migrate(mut self) -> Result<(), ClientError> {
        self.wire.send(&Request::Migrate {}).await?;
        self.expect_answer(&Answer::Done {}).await
    }

    /// Computes stored timelines anew; tells `progress` how many are done, and of how many.
    pub(crate) async fn rebuild(
        mut self,
        user: Option<AccountName>,
        mut progress: impl FnMut(u64, u64),
    ) -> Result<RebuildCounts, ClientError> {
        let user = user.map(|user| user.to_string());
        self.wire.send(&Request::Rebuild { user }).await?;
        loop {
            match self.answer().await? {
                Answer::Rebuilding { done, total } => progress(done, total),
                Answer::Rebuilt { rebuilt, gone, failed } => return Ok(RebuildCounts { rebuilt, gone, failed }),
                _ => return Err(ClientError::Unexpected),
            }
        }
    }

    /// Begins an import.
    pub(crate) async fn begin_import(&mut self, source: String, attach: bool) -> Result<(), ClientError> {
        self.wire.send(&Request::Import { source, attach }).await?;
        self.expect_answer(&Answer::Ready {}).await
    }

    /// Hands over a batch and waits for its commit.
    pub(crate) async fn import(&mut self, edges: Vec<(u64, u64)>) -> Result<ImportCounts, ClientError> {
        self.wire.send(&ImportPart::Edges { edges }).await?;
        match self.answer().await? {
            Answer::Imported(counts) => Ok(counts),
            _ => Err(ClientError::Unexpected),
        }
    }

    /// Ends an import.
    pub(crate) async fn end_import(&mut self) -> Result<(), ClientError> {
        self.wire.send(&ImportPart::End {}).await?;
        self.expect_answer(&Answer::Done {}).await
    }

    async fn expect_answer(&mut self, expected: &Answer) -> Result<(), ClientError> {
        if self.answer().await? == *expected {
            Ok(())
        } else {
            Err(ClientError::Unexpected)
        }
    }

    async fn answer(&mut self) -> Result<Answer, ClientError> {
        match self.wire.receive(ANSWER_WITHIN).await? {
            Some(Answer::Refused { sentence, exit_code }) => Err(ClientError::Refused { sentence, exit_code }),
            Some(answer) => Ok(answer),
            None => Err(ClientError::Closed),
        }
    }
}

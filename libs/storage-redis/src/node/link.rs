//! One connection to one server, which has another life after each reconnect.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::config::Server;
use parking_lot::Mutex;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::client::Connection;
use crate::options::Parsed;

/// A connection that tells its lives apart.
pub(super) struct Link {
    host: String,
    connection: Connection,
    life: Mutex<Life>,
}

struct Life {
    reconnects: Receiver<Server>,
    number: u64,
    /// What the server called its own life, when it was asked over this connection in this life.
    incarnation: Option<Arc<str>>,
}

impl Link {
    /// Begins to connect, and goes on until it is connected.
    pub(super) fn new(parsed: &Parsed) -> Self {
        Self::over(parsed, Connection::begin(parsed))
    }

    /// Connects.
    pub(super) async fn open(parsed: &Parsed) -> Result<Self, Error> {
        Ok(Self::over(parsed, Connection::open(parsed).await?))
    }

    fn over(parsed: &Parsed, connection: Connection) -> Self {
        let host = parsed
            .config
            .server
            .hosts()
            .first()
            .map(|server| server.host.to_string());
        let life = Life {
            reconnects: connection.client().reconnect_rx(),
            number: 0,
            incarnation: None,
        };
        Self {
            host: host.unwrap_or_default(),
            connection,
            life: Mutex::new(life),
        }
    }

    /// The client, if it is connected.
    pub(super) fn client(&self) -> Result<&Client, Error> {
        self.connection.connected()
    }

    /// The name by which the server was reached.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Waits until it is connected, or for so long.
    pub(super) async fn wait(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.connection.client().wait_for_connect()).await;
    }

    /// Which life it is in, and what the server called its own. The client tells of a new connection before it sends
    /// anything over it: a command was answered in the life that was there before it, if that is there after it too.
    pub(super) fn life(&self) -> (u64, Option<Arc<str>>) {
        let mut life = self.life.lock();
        life.catch_up();
        (life.number, life.incarnation.clone())
    }

    /// Notes what the server calls its life; `false` when the connection is another by now.
    pub(super) fn note(&self, number: u64, incarnation: &Arc<str>) -> bool {
        let mut life = self.life.lock();
        life.catch_up();
        let is_same = life.number == number;
        if is_same {
            life.incarnation = Some(Arc::clone(incarnation));
        }
        is_same
    }
}

impl Life {
    fn catch_up(&mut self) {
        while let Ok(_) | Err(TryRecvError::Lagged(_)) = self.reconnects.try_recv() {
            self.number += 1;
            self.incarnation = None;
        }
    }
}

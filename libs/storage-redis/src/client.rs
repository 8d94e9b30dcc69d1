//! Connections to a Redis or a cluster.
//!
//! Whatever a client does when its connection breaks, it never sends a command twice: whether the server has done it is not
//! known, and it may be another server by now, with other data. A command of a broken connection fails; its caller knows
//! whether it may be repeated.

use std::sync::Arc;
use std::time::Duration;

use fred::clients::Client;
use fred::error::{Error, ErrorKind};
use fred::interfaces::ClientLike;
use fred::types::config::Config;
use fred::types::{ConnectHandle, Value};

use crate::error::OpenError;
use crate::options::{Parsed, RedisOptions, unresponsive_after};
use crate::request::{Request, send};

/// How to reach a Redis or a cluster; what uses it makes its own connections from it.
#[derive(Clone)]
pub struct RedisClient {
    parsed: Arc<Parsed>,
}

impl RedisClient {
    /// Connects once, to know that it can be reached. What is made of it comes back by itself whenever the server does.
    pub async fn connect(options: &RedisOptions) -> Result<Self, OpenError> {
        let this = Self {
            parsed: Arc::new(Parsed::parse(options)?),
        };
        let connection = this.open().await?;
        greet(connection.client()).await?;
        Ok(this)
    }

    pub(crate) fn parsed(&self) -> &Parsed {
        &self.parsed
    }

    /// A connection (in a cluster: one to each node) that reconnects by itself.
    pub(crate) async fn open(&self) -> Result<Connection, Error> {
        Connection::open(&self.parsed).await
    }

    /// As [`RedisClient::open`], for commands that wait on the server, up to `longest_wait` each. Nobody else should use
    /// it: what is sent while a command waits, waits too.
    pub(crate) async fn open_for_waiting(&self, longest_wait: Duration) -> Result<Connection, Error> {
        let mut parsed = Parsed::clone(&self.parsed);
        let patience = longest_wait + parsed.performance.default_command_timeout;
        parsed.performance.default_command_timeout = patience;
        parsed.connection.unresponsive = unresponsive_after(patience);
        Connection::open(&parsed).await
    }
}

/// A client that reconnects by itself. It is closed when this is dropped.
pub(crate) struct Connection {
    client: Client,
    task: ConnectHandle,
}

impl Connection {
    /// Connects.
    pub(crate) async fn open(parsed: &Parsed) -> Result<Self, Error> {
        let client = client(parsed, parsed.config.clone());
        let task = client.init().await?;
        Ok(Self { client, task })
    }

    /// Begins to connect, and goes on trying.
    pub(crate) fn begin(parsed: &Parsed) -> Self {
        let mut config = parsed.config.clone();
        config.fail_fast = false;
        let client = client(parsed, config);
        let task = client.connect();
        Self { client, task }
    }

    /// The client, connected or not.
    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    /// The client, unless it is without a connection just now: then a command would only wait until it is too late.
    pub(crate) fn connected(&self) -> Result<&Client, Error> {
        if self.client.is_connected() {
            Ok(&self.client)
        } else {
            Err(Error::new(ErrorKind::IO, "not connected"))
        }
    }
}

/// Makes sure that it is a Redis, and lets this user ask who it is: what connects has been asked little before.
async fn greet(client: &Client) -> Result<(), OpenError> {
    let question = Request::new("INFO", vec![Value::from("server")]);
    let answer = send(client, &[question]).await.pop();
    let told = answer.transpose()?.and_then(Value::into_string).unwrap_or_default();
    if told.contains("run_id:") {
        Ok(())
    } else {
        Err(OpenError::no_redis("it does not tell its run_id"))
    }
}

fn client(parsed: &Parsed, config: Config) -> Client {
    Client::new(
        config,
        Some(parsed.performance.clone()),
        Some(parsed.connection.clone()),
        Some(parsed.reconnect.clone()),
    )
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

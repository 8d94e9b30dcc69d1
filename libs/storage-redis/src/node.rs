//! What is believed of the Redis behind a connection.
//!
//! A node that was restarted may have come back without its latest writes, with an older file, or with nothing; one that
//! has become a primary may lack what the primary before it had acknowledged. So each life of a node has a generation,
//! which stands in the durable store ([`Generations`]) and in every key. A process learns it by asking the node who it is
//! and then the store; that is believed for [`HOLDS`], counted from when it was asked, and never across a new connection:
//! before anything is sent over one the generation is confirmed anew, and the answer of a command whose connection was
//! made anew meanwhile is not used.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::Error;
use fred::interfaces::{ClientLike, EventInterface};
use fred::types::InfoKind;
use fred::types::config::Server;
use model::Generation;
use parking_lot::Mutex;
use storage::{Deadline, Generations, StoreError};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;
use tokio_util::sync::CancellationToken;

use crate::client::{Connection, RedisClient};
use crate::error::{OpenError, store_error};

/// How long a confirmation holds, counted from when it was asked for.
pub const HOLDS: Duration = Duration::from_millis(500);

const STORE: &str = "Redis";
const BETWEEN_CONFIRMATIONS: Duration = Duration::from_millis(150);
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

/// A Redis, single or cluster, whose present life is known.
pub struct RedisNode {
    name: String,
    connections: Vec<Watched>,
    next: AtomicUsize,
    generations: Arc<dyn Generations>,
    confirmed: Mutex<Option<Confirmed>>,
    /// One asks for all.
    confirming: tokio::sync::Mutex<()>,
}

/// What was confirmed, and when it was asked for.
#[derive(Debug, Clone, Copy)]
struct Confirmed {
    generation: Generation,
    asked: Instant,
}

/// A connection, which has another life after each reconnect.
struct Watched {
    connection: Connection,
    life: Mutex<Life>,
}

struct Life {
    reconnects: Receiver<Server>,
    number: u64,
    /// It began before then.
    since: Instant,
}

impl Watched {
    fn new(connection: Connection) -> Self {
        let life = Life {
            reconnects: connection.client().reconnect_rx(),
            number: 0,
            since: Instant::now(),
        };
        Self {
            connection,
            life: Mutex::new(life),
        }
    }

    /// Which life it is in, and since when at the latest. A new connection is told of before anything is sent over it.
    fn life(&self) -> (u64, Instant) {
        let life = &mut *self.life.lock();
        loop {
            match life.reconnects.try_recv() {
                Ok(_) | Err(TryRecvError::Lagged(_)) => {
                    life.number += 1;
                    life.since = Instant::now();
                }
                Err(TryRecvError::Empty | TryRecvError::Closed) => return (life.number, life.since),
            }
        }
    }
}

impl RedisNode {
    /// Connects `connections` times. [`RedisNode::run`] keeps fresh what is believed.
    pub async fn connect(
        redis: &RedisClient,
        connections: usize,
        generations: Arc<dyn Generations>,
    ) -> Result<Arc<Self>, OpenError> {
        let mut watched = Vec::new();
        for _ in 0..connections.max(1) {
            watched.push(Watched::new(redis.open().await?));
        }
        let server = &watched[0].connection.client().client_config().server;
        let mut hosts: Vec<String> = server.hosts().iter().map(ToString::to_string).collect();
        hosts.sort_unstable();
        Ok(Arc::new(Self {
            name: hosts.join(","),
            connections: watched,
            next: AtomicUsize::new(0),
            generations,
            confirmed: Mutex::new(None),
            confirming: tokio::sync::Mutex::new(()),
        }))
    }

    /// Whether keys are spread over several nodes.
    pub(crate) fn is_clustered(&self) -> bool {
        self.connections[0].connection.client().is_clustered()
    }

    /// Confirms again and again, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            let confirmed = self.confirm(Instant::now(), Deadline::after(CONFIRM_WITHIN)).await;
            if let Err(error) = confirmed {
                tracing::debug!(%error, "the generation of Redis is not confirmed");
            }
            let pause = tokio::time::sleep(BETWEEN_CONFIRMATIONS);
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    /// Runs commands under the present generation, over one connection, and answers only what may be believed.
    pub(crate) async fn ask<T>(
        &self,
        deadline: Deadline,
        commands: impl AsyncFnOnce(&Client, Generation) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let watched = &self.connections[at];
        let failed = |error| store_error(STORE, error);
        let client = watched.connection.connected().map_err(failed)?;
        let (life, since) = watched.life();
        let generation = match self.believed(since) {
            Some(generation) => generation,
            None => self.confirm(since, deadline).await?,
        };
        let asking = tokio::time::timeout_at(deadline.instant().into(), commands(client, generation));
        let answer = match asking.await {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(StoreError::Timeout { store: STORE }),
        };
        if watched.life().0 == life {
            answer
        } else {
            Err(StoreError::unavailable(STORE, "the connection was made anew meanwhile"))
        }
    }

    /// The generation, by a confirmation that still holds and was asked for after `since`.
    fn believed(&self, since: Instant) -> Option<Generation> {
        let confirmed = (*self.confirmed.lock())?;
        (confirmed.asked > since && confirmed.asked.elapsed() < HOLDS).then_some(confirmed.generation)
    }

    async fn confirm(&self, since: Instant, deadline: Deadline) -> Result<Generation, StoreError> {
        let timeout = |_| StoreError::Timeout { store: STORE };
        let waiting = tokio::time::timeout_at(deadline.instant().into(), self.confirming.lock());
        let _one = waiting.await.map_err(timeout)?;
        if let Some(generation) = self.believed(since) {
            return Ok(generation);
        }
        let asked = Instant::now();
        let incarnation = tokio::time::timeout_at(deadline.instant().into(), self.incarnation());
        let incarnation = incarnation.await.map_err(timeout)?;
        let incarnation = incarnation.map_err(|error| store_error(STORE, error))?;
        let generation = self.generations.current(&self.name, &incarnation, deadline).await?;
        let known = self.confirmed.lock().replace(Confirmed { generation, asked });
        if known.is_some_and(|known| known.generation != generation) {
            tracing::warn!(%generation, "Redis has another life: what it held before counts as absent");
        }
        Ok(generation)
    }

    /// Who the node is at present. A cluster is one node here: whatever happens to one of its primaries counts for all
    /// that is cached.
    async fn incarnation(&self) -> Result<String, Error> {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % self.connections.len();
        let client = self.connections[at].connection.connected()?;
        if !client.is_clustered() {
            let server: String = client.info(Some(InfoKind::Server)).await?;
            let replication: String = client.info(Some(InfoKind::Replication)).await?;
            return Ok(life_of(&server, &replication));
        }
        let mut lives = Vec::new();
        for server in client.active_connections() {
            let node = client.with_cluster_node(server);
            let server: String = node.info(Some(InfoKind::Server)).await?;
            let replication: String = node.info(Some(InfoKind::Replication)).await?;
            lives.push(life_of(&server, &replication));
        }
        lives.sort_unstable();
        Ok(lives.join(","))
    }
}

/// What changes with each restart and each change of role.
fn life_of(server: &str, replication: &str) -> String {
    let field = |of: &str, name: &str| -> String {
        let value = of.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    };
    format!(
        "{}/{}/{}",
        field(server, "run_id"),
        field(replication, "role"),
        field(replication, "master_replid")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_who_the_server_is_and_whom_it_follows() {
        let server = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n";
        let replication = "# Replication\r\nrole:master\r\nmaster_replid:def\r\n";
        assert_eq!(life_of(server, replication), "abc/master/def");
    }
}

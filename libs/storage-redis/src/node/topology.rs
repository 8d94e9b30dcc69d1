//! Which node of a cluster has which slots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use fred::error::{Error, ErrorKind};
use fred::types::Value;
use fred::types::config::Server;
use futures::future::join_all;
use parking_lot::RwLock;
use storage::Generations;

use super::link::Link;
use super::member::Member;
use crate::options::Parsed;
use crate::request::{Request, send};

const SLOTS: usize = 16_384;

/// How often, at most, the cluster is asked who has which slots.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A cluster, as it was when it was last looked at.
pub(super) struct Topology {
    parsed: Parsed,
    connections: usize,
    generations: Arc<dyn Generations>,
    /// Who tells, when no member does: the addresses that were configured.
    seeds: Vec<Link>,
    table: RwLock<Arc<Table>>,
    looked: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Clone, Default)]
struct Table {
    members: AHashMap<Server, Arc<Member>>,
    owners: Vec<Option<Arc<Member>>>,
}

impl Topology {
    pub(super) async fn new(
        parsed: &Parsed,
        connections: usize,
        generations: Arc<dyn Generations>,
    ) -> Result<Self, Error> {
        let seeds = parsed.config.server.hosts();
        let this = Self {
            seeds: seeds.into_iter().map(|seed| Link::new(&parsed.at(seed))).collect(),
            parsed: parsed.clone(),
            connections,
            generations,
            table: RwLock::default(),
            looked: tokio::sync::Mutex::default(),
        };
        join_all(this.seeds.iter().map(|seed| seed.wait(this.patience()))).await;
        this.look().await?;
        Ok(this)
    }

    fn patience(&self) -> Duration {
        self.parsed.connection.connection_timeout
    }

    pub(super) fn owner(&self, slot: u16) -> Result<Arc<Member>, Error> {
        let table = self.table.read();
        let owner = table.owners.get(usize::from(slot)).cloned().flatten();
        owner.ok_or_else(|| Error::new(ErrorKind::Cluster, "no node has this slot"))
    }

    /// By address, so that a place among them means something as long as they are the same.
    pub(super) fn members(&self) -> Vec<Arc<Member>> {
        let table = Arc::clone(&self.table.read());
        let mut members: Vec<_> = table.members.iter().collect();
        members.sort_unstable_by_key(|(server, _)| *server);
        members.into_iter().map(|(_, member)| Arc::clone(member)).collect()
    }

    /// The node at an address, which may be new to the cluster.
    pub(super) async fn member_at(&self, address: &str) -> Result<Arc<Member>, Error> {
        let (host, port) = address
            .rsplit_once(':')
            .ok_or_else(|| Error::new(ErrorKind::Cluster, "a node without an address"))?;
        let server = Server::new(host, port.parse::<u16>()?);
        if let Some(member) = self.table.read().members.get(&server) {
            return Ok(Arc::clone(member));
        }
        let member = Arc::new(self.member(&server));
        member.wait(self.patience()).await;
        let mut table = self.table.write();
        let mut with_it = Table::clone(&table);
        with_it.members.insert(server, Arc::clone(&member));
        *table = Arc::new(with_it);
        Ok(member)
    }

    /// Asks the cluster who has which slots, unless that has been done just now.
    pub(super) async fn look(&self) -> Result<(), Error> {
        let mut looked = self.looked.lock().await;
        if looked.is_some_and(|looked| looked.elapsed() < BETWEEN_LOOKS) {
            return Ok(());
        }
        let ranges = self.ask().await?;
        let table = self.table(ranges).await;
        *self.table.write() = Arc::new(table);
        *looked = Some(Instant::now());
        Ok(())
    }

    async fn ask(&self) -> Result<Vec<Range>, Error> {
        let members = self.members();
        let links = members.iter().map(|member| member.link()).chain(&self.seeds);
        let mut failure = Error::new(ErrorKind::Cluster, "no node of the cluster can be reached");
        for link in links {
            let client = match link.client() {
                Ok(client) => client,
                Err(error) => {
                    failure = error;
                    continue;
                }
            };
            let slots = Request::new("CLUSTER", vec![Value::from("SLOTS")]);
            match send(client, &[slots]).await.pop() {
                Some(Ok(answer)) => {
                    return Ok(ranges(answer, link.host()));
                }
                Some(Err(error)) => failure = error,
                None => {}
            }
        }
        Err(failure)
    }

    async fn table(&self, ranges: Vec<Range>) -> Table {
        let known = Arc::clone(&self.table.read());
        let mut table = Table {
            members: AHashMap::new(),
            owners: vec![None; SLOTS],
        };
        let mut new = Vec::new();
        for range in ranges {
            let member = table.members.entry(range.owner).or_insert_with_key(|server| {
                known.members.get(server).cloned().unwrap_or_else(|| {
                    let member = Arc::new(self.member(server));
                    new.push(Arc::clone(&member));
                    member
                })
            });
            let slots = usize::from(range.first)..=usize::from(range.last);
            for owner in table.owners.get_mut(slots).into_iter().flatten() {
                *owner = Some(Arc::clone(member));
            }
        }
        join_all(new.iter().map(|member| member.wait(self.patience()))).await;
        table
    }

    fn member(&self, server: &Server) -> Member {
        let parsed = self.parsed.at(server.clone());
        let links = (0..self.connections).map(|_| Link::new(&parsed)).collect();
        Member::new(links, true, Arc::clone(&self.generations))
    }
}

struct Range {
    first: u16,
    last: u16,
    owner: Server,
}

/// What `CLUSTER SLOTS` says: first slot, last slot, the primary, and replicas. A node that does not know its own address
/// means the one by which it was asked.
fn ranges(answer: Value, asked: &str) -> Vec<Range> {
    let range = |entry: Value| {
        let parts = entry.into_array();
        let slot = |at: usize| parts.get(at)?.as_u64().and_then(|slot| u16::try_from(slot).ok());
        let primary = parts.get(2)?.clone().into_array();
        let host = primary.first()?.as_string().filter(|host| !host.is_empty());
        let port = primary.get(1)?.as_u64().and_then(|port| u16::try_from(port).ok())?;
        Some(Range {
            first: slot(0)?,
            last: slot(1)?,
            owner: Server::new(host.unwrap_or_else(|| asked.to_owned()), port),
        })
    };
    answer.into_array().into_iter().filter_map(range).collect()
}

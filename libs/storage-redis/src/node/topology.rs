//! Which node of a cluster has which slots.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use fred::error::{Error, ErrorKind};
use fred::types::Value;
use fred::types::config::Server;
use futures::future::{BoxFuture, FutureExt, join_all};
use parking_lot::RwLock;
use storage::Generations;

use super::identity::current_epoch;
use super::link::Link;
use super::member::Member;
use crate::options::Parsed;
use crate::request::{Request, send};

const SLOTS: usize = 16_384;

/// How often, at most, the cluster is asked who has which slots.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A node that does not tell by then is passed over.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// A cluster, as it was when it was last looked at.
pub(super) struct Topology {
    parsed: Parsed,
    connections: usize,
    generations: Arc<dyn Generations>,
    /// Who tells, when no member does: the addresses that were configured.
    seeds: Vec<Link>,
    table: RwLock<Arc<Table>>,
    looked: tokio::sync::Mutex<Looked>,
    /// Whether a slot is where only the node says that it has left.
    is_followed: AtomicBool,
}

/// How the cluster was looked at last.
#[derive(Default)]
struct Looked {
    begun: Option<Instant>,
    /// Whether anybody has told.
    is_known: bool,
    /// The highest epoch that any node has told of.
    epoch: u64,
    /// Looks so far: each asks another node first.
    count: usize,
    /// Whether the last has come to an end, and was not given up on the way.
    has_ended: bool,
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
            is_followed: AtomicBool::new(false),
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
    pub(super) async fn member_at(&self, server: Server) -> Arc<Member> {
        if let Some(member) = self.table.read().members.get(&server) {
            return Arc::clone(member);
        }
        let member = Arc::new(self.member(&server));
        member.wait(self.patience()).await;
        let mut table = self.table.write();
        let mut with_it = Table::clone(&table);
        let member = Arc::clone(with_it.members.entry(server).or_insert(member));
        *table = Arc::new(with_it);
        member
    }

    /// Whether it should be looked at soon: what a new owner has is known from its cluster alone.
    pub(super) fn wants_a_look(&self) -> bool {
        self.is_followed.load(Ordering::Relaxed)
    }

    /// Goes by what a node has said of a slot that it does not have: it may know that before those who are asked do.
    pub(super) async fn follow(&self, slot: u16, said_by: &Arc<Member>, server: Server) {
        let is_known = |table: &Table| {
            let owner = table.owners.get(usize::from(slot)).and_then(Option::as_ref);
            owner.is_some_and(|owner| !Arc::ptr_eq(owner, said_by))
        };
        if is_known(&self.table.read()) {
            return;
        }
        let owner = self.member_at(server).await;
        let mut table = self.table.write();
        if !is_known(&table) {
            let mut with_it = Table::clone(&table);
            if let Some(place) = with_it.owners.get_mut(usize::from(slot)) {
                *place = Some(owner);
            }
            self.is_followed.store(true, Ordering::Relaxed);
            *table = Arc::new(with_it);
        }
    }

    /// Asks the cluster who has which slots. Those who want to know at the same time share an answer.
    ///
    /// Boxed, as what a member confirms.
    pub(super) fn look(&self) -> BoxFuture<'_, Result<(), Error>> {
        self.look_now().boxed()
    }

    async fn look_now(&self) -> Result<(), Error> {
        let wanted = Instant::now();
        let mut looked = self.looked.lock().await;
        if looked.has_ended && looked.begun.is_some_and(|begun| begun >= wanted) {
            let is_known = looked.is_known.then_some(());
            return is_known.ok_or_else(unreachable);
        }
        if let Some(begun) = looked.begun {
            tokio::time::sleep_until((begun + BETWEEN_LOOKS).into()).await;
        }
        (looked.begun, looked.is_known, looked.has_ended) = (Some(Instant::now()), false, false);
        let told = match self.ask(&mut looked).await {
            Ok(ranges) => {
                let table = self.table(ranges).await;
                *self.table.write() = Arc::new(table);
                self.is_followed.store(false, Ordering::Relaxed);
                Ok(())
            }
            Err(error) => Err(error),
        };
        (looked.is_known, looked.has_ended) = (told.is_ok(), true);
        told
    }

    /// What a node tells that knows as much as any has: one that was cut off may go on telling what was.
    async fn ask(&self, looked: &mut Looked) -> Result<Vec<Range>, Error> {
        looked.count = looked.count.wrapping_add(1);
        let mut members = self.members();
        let first = looked.count % members.len().max(1);
        members.rotate_left(first);
        let links = members.iter().map(|member| member.link()).chain(&self.seeds);
        let mut failure = unreachable();
        let mut newest: Option<View> = None;
        for link in links {
            match view(link).await {
                Ok(view) if newest.as_ref().is_none_or(|newest| newest.epoch < view.epoch) => newest = Some(view),
                Ok(_) => {}
                Err(error) => failure = error,
            }
            if newest.as_ref().is_some_and(|newest| newest.epoch >= looked.epoch) {
                break;
            }
        }
        let newest = newest.ok_or(failure)?;
        looked.epoch = newest.epoch;
        Ok(newest.ranges)
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
        for member in table.members.values() {
            let has = |owner: &Option<Arc<Member>>| owner.as_ref().is_some_and(|owner| Arc::ptr_eq(owner, member));
            member.has_slots_from(table.owners.iter().position(has));
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

fn unreachable() -> Error {
    Error::new(ErrorKind::Cluster, "no node of the cluster can be reached")
}

/// What a node knows of its cluster.
struct View {
    /// Goes up whenever one node takes over from another.
    epoch: u64,
    ranges: Vec<Range>,
}

async fn view(link: &Link) -> Result<View, Error> {
    let client = link.client()?;
    let cluster = |what: &str| Request::new("CLUSTER", vec![Value::from(what)]);
    let requests = [cluster("INFO"), cluster("SLOTS")];
    let answers = tokio::time::timeout(TOLD_WITHIN, send(client, &requests)).await;
    let answers = answers.map_err(|_| Error::new(ErrorKind::Timeout, "a node does not tell what it knows"))?;
    let answers: Result<Vec<Value>, Error> = answers.into_iter().collect();
    let mut answers = answers?.into_iter();
    let mut next = || answers.next().unwrap_or(Value::Null);
    let info = next().into_string().unwrap_or_default();
    Ok(View {
        epoch: current_epoch(&info)?,
        ranges: ranges(next(), link.host()),
    })
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

//! What is believed of the Redis behind the connections, and to which of its nodes commands go.
//!
//! A server that was restarted may have come back without its latest writes, with an older file, or with nothing; one that
//! has become a primary may lack what the primary before it had acknowledged. So each life of a server has a generation,
//! which stands in the durable store ([`Generations`]) and in every key: what an earlier life was given is not found.
//!
//! A process learns the generation by asking the server who it is, and then the store. Four rules make that safe:
//!
//! - It is believed for [`HOLDS`], counted from when it was asked for. An answer that comes later counts only if the
//!   generation is confirmed once more and is the same: the process may have been stopped while it waited.
//! - It is never believed across a new connection: there, before anything else counts, the server is asked over that
//!   connection. An answer counts only if its connection was the same before and after. (A connection that is led to
//!   another server, by a name that has moved, is a new one.)
//! - A server that is a replica is not used.
//! - What everybody must find (a push, an announcement, a removal) is not written under a generation before nobody goes by
//!   an older one any more: [`HOLDS`] after this process has learned of it. Else a process that still believes the older
//!   one, over a connection that has not broken, could miss what has been answered.
//!
//! Two servers that stand alone and take themselves for the same primary make each other's generations old, again and again:
//! nothing is found in either, which costs time and no answer.
//!
//! In a cluster a node that takes over from another says so in that store, under its epoch, before anything counts that it
//! is told ([`Generations::highest`]), and from then on the other is not confirmed any more: cut off from the rest, it may go
//! on answering without knowing. They know each other by what the one has followed as a replica of the other, and by the first
//! of their slots: one that followed the other once and was given slots of its own has taken over from nobody.
//!
//! Each node of a cluster has its own generation. A slot that moves takes its keys with it, but they carry the generation
//! of the node that it came from, and count as absent. Nothing of an earlier stay is found: a node takes a slot under the
//! highest epoch of the cluster, so that one which takes it back has another epoch, and hence another life, than it had then.
//! (With the next slot that it takes its epoch is the highest still, and its life goes on.) Commands go to a node by
//! connections of their own; where it answers that a slot has moved, it has not done the command, which goes to the right one.
//!
//! While a slot moves, the node that it leaves sends whoever asks for what has left already to the node that it goes to, and
//! there he goes by the keys of the first. It may do so when the other has the slot already, and everybody else asks that one
//! by its own keys. So whoever was sent asks the other after his command whether it has the slot ([`ask_next`]): there is one
//! moment from which on only its own keys count.

mod identity;
mod link;
mod member;
mod topology;

use std::sync::Arc;
use std::time::Duration;

use fred::error::Error;
use fred::types::Value;
use fred::types::config::Server;
use futures::future::{join_all, try_join_all};
use storage::{Deadline, Generations, StoreError};
use tokio_util::sync::CancellationToken;

use self::link::Link;
use self::member::in_time;
pub(crate) use self::member::{Confirmed, Member, Purpose};
use self::topology::Topology;
use crate::client::RedisClient;
use crate::error::{OpenError, store_error};
use crate::request::Request;

/// How long a confirmation holds, counted from when it was asked for.
pub const HOLDS: Duration = Duration::from_millis(500);

const STORE: &str = "Redis";
const BETWEEN_CONFIRMATIONS: Duration = Duration::from_millis(150);

/// A cluster is looked at every so many confirmations, and whenever something of it cannot be reached.
const LOOK_EVERY: u32 = 20;

/// How often a command follows a slot that moves.
const REDIRECTIONS: usize = 4;

/// A Redis, single or cluster, whose present life is known.
pub struct RedisNode {
    servers: Servers,
}

enum Servers {
    One(Arc<Member>),
    Cluster(Box<Topology>),
}

impl RedisNode {
    /// Connects `connections` times to each server. [`RedisNode::run`] keeps fresh what is believed.
    pub async fn connect(
        redis: &RedisClient,
        connections: usize,
        generations: Arc<dyn Generations>,
    ) -> Result<Arc<Self>, OpenError> {
        let (parsed, connections) = (redis.parsed(), connections.max(1));
        let servers = if parsed.config.server.is_clustered() {
            Servers::Cluster(Box::new(Topology::new(parsed, connections, generations).await?))
        } else {
            let links = try_join_all((0..connections).map(|_| Link::open(parsed))).await?;
            Servers::One(Arc::new(Member::new(links, false, generations)))
        };
        let this = Arc::new(Self { servers });
        // Early, so that the first change does not have to wait until nobody goes by an older generation.
        this.confirm_all().await;
        Ok(this)
    }

    /// Whether keys are spread over several servers.
    pub(crate) const fn is_clustered(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Confirms again and again, until `shutdown`.
    pub async fn run(&self, shutdown: CancellationToken) {
        let mut round = 0_u32;
        loop {
            let pause = tokio::time::sleep(BETWEEN_CONFIRMATIONS);
            let is_well = self.confirm_all().await;
            round = round.wrapping_add(1);
            if let Servers::Cluster(topology) = &self.servers
                && (!is_well || topology.wants_a_look() || round.is_multiple_of(LOOK_EVERY))
                && let Err(error) = topology.look().await
            {
                tracing::debug!(%error, "the cluster does not tell who has which slots");
            }
            if shutdown.run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
    }

    async fn confirm_all(&self) -> bool {
        let members = self.members();
        let confirmations = members.iter().map(async |member| {
            // What comes later is of no use.
            let confirmed = member.confirm_any(Deadline::after(HOLDS)).await;
            confirmed
                .inspect_err(|error| tracing::debug!(%error, "the generation of Redis is not confirmed"))
                .is_ok()
        });
        join_all(confirmations)
            .await
            .into_iter()
            .all(|is_confirmed| is_confirmed)
    }

    /// All servers.
    pub(crate) fn members(&self) -> Vec<Arc<Member>> {
        match &self.servers {
            Servers::One(member) => vec![Arc::clone(member)],
            Servers::Cluster(topology) => topology.members(),
        }
    }

    /// Sends a request for keys with this hash tag, wherever they are.
    pub(crate) async fn ask(
        &self,
        tag: u64,
        purpose: Purpose,
        deadline: Deadline,
        request: impl Fn(&Confirmed) -> Request,
    ) -> Result<Answer, StoreError> {
        let mut answers = self
            .ask_each(&[tag], purpose, deadline, |_, confirmed| request(confirmed))
            .await?;
        Ok(answers.pop().expect("there is an answer for each request"))
    }

    /// Sends a request for each tag; the answers, in order.
    pub(crate) async fn ask_each(
        &self,
        tags: &[u64],
        purpose: Purpose,
        deadline: Deadline,
        request: impl Fn(usize, &Confirmed) -> Request,
    ) -> Result<Vec<Answer>, StoreError> {
        let mut answers: Vec<Option<Answer>> = tags.iter().map(|_| None).collect();
        let mut places: Vec<usize> = (0..tags.len()).collect();
        for _ in 0..=REDIRECTIONS {
            let asking = self
                .by_owner(&places, tags)?
                .into_iter()
                .map(|share| self.ask_member(share, tags, purpose, deadline, &request));
            let mut moved = Vec::new();
            for (place, told) in try_join_all(asking).await?.into_iter().flatten() {
                match told {
                    Told::Answer(answer) => answers[place] = Some(answer),
                    Told::Elsewhere(elsewhere) => moved.push((place, elsewhere)),
                }
            }
            if moved.is_empty() {
                return Ok(answers.into_iter().flatten().collect());
            }
            places = moved.iter().map(|(place, _)| *place).collect();
            in_time(deadline, self.look_for(moved, tags)).await??;
        }
        Err(StoreError::unavailable(STORE, "slots of the cluster are moving about"))
    }

    fn by_owner(&self, places: &[usize], tags: &[u64]) -> Result<Vec<Share>, StoreError> {
        let topology = match &self.servers {
            Servers::One(_) if places.is_empty() => return Ok(Vec::new()),
            Servers::One(member) => return Ok(vec![(Arc::clone(member), places.to_vec())]),
            Servers::Cluster(topology) => topology,
        };
        let mut by_owner: Vec<Share> = Vec::new();
        for place in places {
            let owner = topology.owner(slot(tags[*place])).map_err(failed)?;
            match by_owner.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &owner)) {
                Some((_, places)) => places.push(*place),
                None => by_owner.push((owner, vec![*place])),
            }
        }
        Ok(by_owner)
    }

    /// What a member answers for these places.
    async fn ask_member(
        &self,
        (member, places): Share,
        tags: &[u64],
        purpose: Purpose,
        deadline: Deadline,
        request: &impl Fn(usize, &Confirmed) -> Request,
    ) -> Result<Vec<(usize, Told)>, StoreError> {
        let requests = |confirmed: &Confirmed| places.iter().map(|place| request(*place, confirmed)).collect();
        let (answers, confirmed) = member.ask(purpose, deadline, requests).await?;
        let mut all = Vec::with_capacity(places.len());
        for (place, answer) in places.into_iter().zip(answers) {
            let told = match Redirection::of(&answer, &member) {
                Some(Redirection::Ask(server)) => {
                    let next = in_time(deadline, self.member_at(server)).await??;
                    let request = |confirmed: &Confirmed| request(place, confirmed);
                    let source = (&*member, &confirmed);
                    ask_next(&next, source, tags[place], purpose, deadline, request).await?
                }
                _ => told(answer, &member, confirmed.server_ms)?,
            };
            all.push((place, told));
        }
        Ok(all)
    }

    async fn member_at(&self, server: Server) -> Result<Arc<Member>, StoreError> {
        match &self.servers {
            Servers::One(_) => Err(speaks_of_slots()),
            Servers::Cluster(topology) => Ok(topology.member_at(server).await),
        }
    }

    /// Asks who has which slots, and otherwise believes those who have said where these places are.
    async fn look_for(&self, moved: Vec<(usize, Elsewhere)>, tags: &[u64]) -> Result<(), StoreError> {
        let Servers::Cluster(topology) = &self.servers else {
            return Err(speaks_of_slots());
        };
        topology.look().await.map_err(failed)?;
        for (place, Elsewhere { said_by, server }) in moved {
            if let Some(server) = server {
                topology.follow(slot(tags[place]), &said_by, server).await;
            }
        }
        Ok(())
    }
}

/// Asks the node that takes over a slot, by the keys of the one that it takes it from.
///
/// Whether it has the slot by then, it is asked after that: what counts was done before it had, and what others were told
/// under its own keys came later. Where it has, what was done by the other's keys does not count, and is done by its own. Nor
/// does it count where the other has another life by then.
async fn ask_next(
    next: &Arc<Member>,
    (source, by_source): (&Member, &Confirmed),
    tag: u64,
    purpose: Purpose,
    deadline: Deadline,
    request: impl Fn(&Confirmed) -> Request,
) -> Result<Told, StoreError> {
    let has_slot = Request::new("EXISTS", vec![Value::from(format!("t{{{tag}}}"))]);
    let asked = request(by_source);
    let asked = next.ask_for_slot(purpose, deadline, &asked, has_slot);
    let ([answer, has_slot], confirmed) = asked.await?;
    if let Some(Redirection::Moved(_)) = Redirection::of(&has_slot, next) {
        source.still(by_source, deadline).await?;
        // What it was given goes by the clock of the other.
        return told(answer, next, confirmed.server_ms.min(by_source.server_ms));
    }
    has_slot.map_err(failed)?;
    let (mut answers, confirmed) = next
        .ask(purpose, deadline, |confirmed| vec![request(confirmed)])
        .await?;
    let answer = answers.pop().expect("there is an answer for each request");
    told(answer, next, confirmed.server_ms)
}

/// What a member has told of a request.
enum Told {
    Answer(Answer),
    Elsewhere(Elsewhere),
}

/// A request belongs to another node.
struct Elsewhere {
    said_by: Arc<Member>,
    /// To this one, as far as it knows.
    server: Option<Server>,
}

fn told(answer: Result<Value, Error>, by: &Arc<Member>, server_ms: u64) -> Result<Told, StoreError> {
    let server = match Redirection::of(&answer, by) {
        Some(Redirection::Moved(server)) => Some(server),
        Some(Redirection::Ask(_)) => None,
        None => {
            let value = answer.map_err(failed)?;
            return Ok(Told::Answer(Answer { value, server_ms }));
        }
    };
    Ok(Told::Elsewhere(Elsewhere {
        said_by: Arc::clone(by),
        server,
    }))
}

/// A server, and which of several requests go to it.
type Share = (Arc<Member>, Vec<usize>);

/// What a server answered.
pub(crate) struct Answer {
    pub(crate) value: Value,
    /// A time by the server's clock at which it was this late there, or later.
    pub(crate) server_ms: u64,
}

/// Where a cluster says that a command belongs. It has not been done.
#[derive(Debug, PartialEq, Eq)]
enum Redirection {
    /// To another node from now on.
    Moved(Server),
    /// This once to another node, which takes over the slot.
    Ask(Server),
}

impl Redirection {
    fn of(answer: &Result<Value, Error>, by: &Member) -> Option<Self> {
        Self::parse(answer.as_ref().err()?.details(), by.host())
    }

    /// A node that does not know its own address means the one by which `host` was asked.
    fn parse(text: &str, host: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let (kind, address) = (words.next()?, words.nth(1)?);
        let (known, port) = address.rsplit_once(':')?;
        let host = if matches!(known, "" | "?") { host } else { known };
        let server = Server::new(host, port.parse::<u16>().ok()?);
        match kind {
            "MOVED" => Some(Self::Moved(server)),
            "ASK" => Some(Self::Ask(server)),
            _ => None,
        }
    }
}

/// The slot of all keys with this number between braces.
fn slot(tag: u64) -> u16 {
    fred::util::redis_keyslot(tag.to_string().as_bytes())
}

fn speaks_of_slots() -> StoreError {
    StoreError::unavailable(STORE, "a server that stands alone speaks of slots")
}

fn failed(error: Error) -> StoreError {
    store_error(STORE, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirections_are_told_from_failures() {
        let of = |text| Redirection::parse(text, "10.0.0.1");
        let at = |host| Server::new(host, 6381);
        assert_eq!(
            of("MOVED 3999 127.0.0.1:6381"),
            Some(Redirection::Moved(at("127.0.0.1")))
        );
        assert_eq!(of("ASK 3999 ::1:6381"), Some(Redirection::Ask(at("::1"))));
        for unknown in ["MOVED 3999 :6381", "MOVED 3999 ?:6381"] {
            assert_eq!(of(unknown), Some(Redirection::Moved(at("10.0.0.1"))));
        }
        for other in [
            "CLUSTERDOWN The cluster is down",
            "MOVED 3999",
            "TRYAGAIN Multiple keys 1:2",
        ] {
            assert_eq!(of(other), None);
        }
    }

    #[test]
    fn keys_lie_where_their_tag_says() {
        assert_eq!(slot(1_234_567), fred::util::redis_keyslot(b"t{1234567}:9"));
    }
}

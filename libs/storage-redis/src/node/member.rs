//! One server, and what is believed of it.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use fred::clients::Client;
use fred::error::Error;
use fred::types::Value;
use futures::future::{BoxFuture, FutureExt};
use model::Generation;
use parking_lot::Mutex;
use storage::{Deadline, Generations, StoreError};

use super::identity::{Identity, Succession, identify, is_replica};
use super::link::Link;
use super::{HOLDS, STORE};
use crate::error::store_error;
use crate::request::{Request, send, send_asking};

/// What was confirmed of a server, and when it was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Confirmed {
    /// The generation that keys carry.
    pub(crate) generation: Generation,
    /// The server's clock when it was asked: it is this late there, or later.
    pub(crate) server_ms: u64,
    incarnation: Arc<str>,
    asked: Instant,
    /// When this process learned of the generation.
    learned: Instant,
}

impl Confirmed {
    fn holds(&self) -> bool {
        self.asked.elapsed() < HOLDS
    }

    /// From when on nobody goes by an older generation.
    fn is_everybodys_from(&self) -> Instant {
        self.learned + HOLDS
    }

    /// Whether nobody goes by an older generation any more: what was removed under one is not looked for under this.
    pub(crate) fn is_everybodys(&self) -> bool {
        self.is_everybodys_from() <= Instant::now()
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To know something. What cannot be believed is not answered.
    Look,
    /// To change something that everybody must find. Where a process that is not told of a change would miss it, it is made
    /// only when no process goes by an older generation any more.
    Change,
}

const NO_SLOT: u32 = u32::MAX;

/// One server.
pub(crate) struct Member {
    links: Vec<Link>,
    next: AtomicUsize,
    is_clustered: bool,
    /// The first slot that it has, by what the cluster has told last; [`NO_SLOT`] if it has none.
    first_slot: AtomicU32,
    generations: Arc<dyn Generations>,
    confirmed: Mutex<Option<Confirmed>>,
    /// One asks for all.
    confirming: tokio::sync::Mutex<()>,
}

impl Member {
    pub(super) fn new(links: Vec<Link>, is_clustered: bool, generations: Arc<dyn Generations>) -> Self {
        Self {
            links,
            next: AtomicUsize::new(0),
            is_clustered,
            first_slot: AtomicU32::new(NO_SLOT),
            generations,
            confirmed: Mutex::new(None),
            confirming: tokio::sync::Mutex::new(()),
        }
    }

    /// Sends what `requests` makes of what is confirmed, and answers only what may be believed: what the server said in
    /// the life that was confirmed, and, if that took long, is still confirmed to be in.
    pub(crate) async fn ask(
        &self,
        purpose: Purpose,
        deadline: Deadline,
        requests: impl FnOnce(&Confirmed) -> Vec<Request>,
    ) -> Result<(Vec<Result<Value, Error>>, Confirmed), StoreError> {
        let talk = self.begin(purpose, deadline).await?;
        let requests = requests(&talk.confirmed);
        let answers = in_time(deadline, send(talk.client, &requests)).await?;
        self.end(talk, deadline).await.map(|confirmed| (answers, confirmed))
    }

    /// As [`Member::ask`], of a node that takes over the slot of the request's keys; and what it answers after that to `then`.
    pub(super) async fn ask_for_slot(
        &self,
        purpose: Purpose,
        deadline: Deadline,
        request: &Request,
        then: Request,
    ) -> Result<([Result<Value, Error>; 2], Confirmed), StoreError> {
        let talk = self.begin(purpose, deadline).await?;
        let answers = in_time(deadline, send_asking(talk.client, request, then)).await?;
        self.end(talk, deadline).await.map(|confirmed| (answers, confirmed))
    }

    async fn begin(&self, purpose: Purpose, deadline: Deadline) -> Result<Talk<'_>, StoreError> {
        loop {
            let link = self.link();
            let client = link.client().map_err(failed)?;
            let (life, incarnation) = link.life();
            let confirmed = match self.believed(incarnation.as_ref()) {
                Some(confirmed) => confirmed,
                None => self.confirm(link, deadline).await?,
            };
            let from = confirmed.is_everybodys_from();
            if purpose == Purpose::Look || from <= Instant::now() {
                return Ok(Talk {
                    link,
                    client,
                    life,
                    confirmed,
                });
            }
            in_time(deadline, tokio::time::sleep_until(from.into())).await?;
        }
    }

    async fn end(&self, talk: Talk<'_>, deadline: Deadline) -> Result<Confirmed, StoreError> {
        if talk.link.life().0 != talk.life {
            return Err(made_anew());
        }
        self.look_again(&talk.confirmed, talk.link, deadline).await?;
        Ok(talk.confirmed)
    }

    /// Between the confirmation and the answer this process may have been stopped.
    async fn look_again(&self, confirmed: &Confirmed, link: &Link, deadline: Deadline) -> Result<(), StoreError> {
        if confirmed.holds() {
            return Ok(());
        }
        let now = match self.believed(Some(&confirmed.incarnation)) {
            Some(now) => now,
            None => self.confirm(link, deadline).await?,
        };
        if now.generation == confirmed.generation {
            return Ok(());
        }
        Err(StoreError::unavailable(STORE, "it has another life by now"))
    }

    /// Any connection, the connected first.
    pub(super) fn link(&self) -> &Link {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let at = |offset: usize| &self.links[(next + offset) % self.links.len()];
        let connected = (0..self.links.len()).map(at).find(|link| link.client().is_ok());
        connected.unwrap_or(at(0))
    }

    /// Which slots it has, by their first; `None` if it has none.
    pub(super) fn has_slots_from(&self, first: Option<usize>) {
        let first = first.and_then(|slot| u32::try_from(slot).ok());
        self.first_slot.store(first.unwrap_or(NO_SLOT), Ordering::Relaxed);
    }

    /// Whether what was confirmed may still be believed, or is so again.
    pub(super) async fn still(&self, confirmed: &Confirmed, deadline: Deadline) -> Result<(), StoreError> {
        self.look_again(confirmed, self.link(), deadline).await
    }

    /// The name by which it is reached.
    pub(super) fn host(&self) -> &str {
        self.links.first().map_or("", Link::host)
    }

    /// Waits until it is connected, or for so long.
    pub(super) async fn wait(&self, at_most: Duration) {
        futures::future::join_all(self.links.iter().map(|link| link.wait(at_most))).await;
    }

    /// What is confirmed of the life that goes by this name, if that still holds.
    fn believed(&self, incarnation: Option<&Arc<str>>) -> Option<Confirmed> {
        let confirmed = self.confirmed.lock();
        let confirmed = confirmed.as_ref()?;
        (incarnation == Some(&confirmed.incarnation) && confirmed.holds()).then(|| confirmed.clone())
    }

    /// Asks over any connection; what is confirmed holds for those that lead to the same life.
    pub(super) async fn confirm_any(&self, deadline: Deadline) -> Result<(), StoreError> {
        let _one = in_time(deadline, self.confirming.lock()).await?;
        self.confirm_over(self.link(), deadline).await.map(|_| ())
    }

    /// Asks over this connection, unless somebody else has done so just now.
    ///
    /// Boxed, since whatever uses Redis would have all of it inside, deeper than the compiler goes.
    fn confirm<'m>(&'m self, link: &'m Link, deadline: Deadline) -> BoxFuture<'m, Result<Confirmed, StoreError>> {
        self.confirm_now(link, deadline).boxed()
    }

    async fn confirm_now(&self, link: &Link, deadline: Deadline) -> Result<Confirmed, StoreError> {
        let _one = in_time(deadline, self.confirming.lock()).await?;
        if let Some(confirmed) = self.believed(link.life().1.as_ref()) {
            return Ok(confirmed);
        }
        self.confirm_over(link, deadline).await
    }

    async fn confirm_over(&self, link: &Link, deadline: Deadline) -> Result<Confirmed, StoreError> {
        let asked = Instant::now();
        let client = link.client().map_err(failed)?;
        let life = link.life().0;
        let identified = in_time(deadline, identify(client, self.is_clustered)).await?;
        let identity = identified.map_err(|error| {
            if is_replica(&error) {
                *self.confirmed.lock() = None;
            }
            failed(error)
        })?;
        if let Some(succession) = &identity.succession {
            self.succeed(succession, deadline).await?;
        }
        let Identity {
            name,
            incarnation,
            server_ms,
            ..
        } = identity;
        let generation = self.generations.current(&name, &incarnation, deadline).await?;
        if !link.note(life, &incarnation) {
            return Err(made_anew());
        }
        let known = self.confirmed.lock().clone();
        let known_since = known.as_ref().filter(|known| known.generation == generation);
        let confirmed = Confirmed {
            generation,
            server_ms,
            incarnation,
            asked,
            learned: known_since.map_or_else(Instant::now, |known| known.learned),
        };
        *self.confirmed.lock() = Some(confirmed.clone());
        if known.is_some_and(|known| known.generation != generation) {
            tracing::warn!(node = %name, %generation, "Redis has another life: what it held before counts as absent");
        }
        Ok(confirmed)
    }

    /// Tells the store from whom it has taken over, and fails where somebody else has: he may go on answering for a while
    /// without knowing. Both have the same slots then. A replica that was given other ones has taken over from nobody.
    async fn succeed(&self, succession: &Succession, deadline: Deadline) -> Result<(), StoreError> {
        let first_slot = self.first_slot.load(Ordering::Relaxed);
        if first_slot == NO_SLOT {
            return Ok(());
        }
        let epoch = succession.epoch;
        let followed = succession.followed.as_ref().map(|followed| (followed, epoch));
        for (replication, told) in followed.into_iter().chain([(&succession.replication, 0)]) {
            let name = format!("{replication}/{first_slot}");
            if self.generations.highest(&name, told, deadline).await? > epoch {
                *self.confirmed.lock() = None;
                return Err(StoreError::unavailable(STORE, "another node has taken over from it"));
            }
        }
        Ok(())
    }
}

/// What is said over a connection, under what was confirmed before.
struct Talk<'m> {
    link: &'m Link,
    client: &'m Client,
    life: u64,
    confirmed: Confirmed,
}

pub(super) async fn in_time<T>(deadline: Deadline, work: impl Future<Output = T>) -> Result<T, StoreError> {
    let outcome = tokio::time::timeout_at(deadline.instant().into(), work).await;
    outcome.map_err(|_| StoreError::Timeout { store: STORE })
}

fn made_anew() -> StoreError {
    StoreError::unavailable(STORE, "the connection was made anew")
}

fn failed(error: Error) -> StoreError {
    store_error(STORE, error)
}

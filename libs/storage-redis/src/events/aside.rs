//! What was set aside: poison, and entries that this build does not understand.
//!
//! They leave the stream, so that they hold up nothing, and stay in a hash beside it until somebody looks at them. Their
//! outbox rows stay too, since an event that was set aside is not done, and are marked by whoever sweeps: then readers look
//! the tweet up. What a later build wrote goes back to the stream as soon
//! as a build that understands it sweeps.

use fred::error::Error;
use fred::interfaces::{ClientLike, HashesInterface};
use fred::types::{ClusterHash, CustomCommand};
use model::{Epoch, Event, Position};
use serde::{Deserialize, Serialize};

use super::book::Place;
use super::entry::{Fields, Unreadable, encode, number};
use super::intake::Intake;
use super::scripts;
use super::streams::{GROUP, Streams, run};

/// Why an event was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AsideReason {
    /// It was handed out again and again, and never acknowledged: it may end whoever works on it.
    Poison,
    /// A later build wrote it.
    Format,
    /// It lacks something, or holds nonsense.
    Broken,
}

/// An event that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Names it, to replay it by.
    pub name: String,
    /// Its place in the outbox, where that is known.
    pub position: Option<Position>,
    /// The stream that it was in.
    pub partition: u32,
    /// The id that it had there: milliseconds since 1970, and a number.
    pub entry: String,
    /// Why.
    pub reason: AsideReason,
    /// How often it had been handed out.
    pub tries: u64,
    /// The event, if this build understands it and it is of this life of the store.
    pub event: Option<Event>,
    /// What was written.
    pub fields: Vec<(String, String)>,
}

/// As it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    entry: String,
    reason: AsideReason,
    tries: u64,
    fields: Vec<(String, String)>,
}

/// An entry to be set aside.
pub(super) struct Aside {
    pub(super) place: Place,
    pub(super) reason: AsideReason,
    pub(super) tries: u64,
    pub(super) fields: Fields,
}

/// Entries that were delivered and can't be handed out.
#[derive(Default)]
pub(super) struct Unwelcome {
    /// Of another life of the store.
    pub(super) foreign: Vec<Place>,
    pub(super) unreadable: Vec<Aside>,
}

impl From<Unreadable> for AsideReason {
    fn from(unreadable: Unreadable) -> Self {
        match unreadable {
            Unreadable::Format => Self::Format,
            Unreadable::Broken => Self::Broken,
        }
    }
}

/// The position of the event with this name, if it is of this life of the store.
fn position(name: &str, epoch: Epoch) -> Option<Position> {
    number(name.strip_prefix(&format!("{epoch}-"))).ok().map(Position)
}

/// What an event is called among those that were set aside. One that was published twice has one name.
pub(super) fn name(position: Position, epoch: Epoch) -> String {
    format!("{epoch}-{position}")
}

impl Aside {
    fn name(&self, epoch: Epoch) -> String {
        match self.fields.position() {
            Some(position) => name(position, epoch),
            None => format!("entry-{}", self.place.id),
        }
    }

    fn kept(&self) -> String {
        let kept = Kept {
            entry: self.place.id.to_string(),
            reason: self.reason,
            tries: self.tries,
            fields: self.fields.lossy(),
        };
        serde_json::to_string(&kept).expect("strings and numbers are always JSON")
    }
}

impl Intake {
    /// Sees to entries that can't be handed out. Those that this fails for are delivered again, and seen to then.
    pub(super) async fn dispose_of(&self, unwelcome: Unwelcome) {
        if let Err(error) = self.try_to_dispose_of(unwelcome).await {
            tracing::debug!(%error, "entries that can't be handed out stay in the stream for now");
        }
    }

    async fn try_to_dispose_of(&self, unwelcome: Unwelcome) -> Result<(), Error> {
        if !unwelcome.foreign.is_empty() {
            self.streams.acknowledge(&unwelcome.foreign).await?;
            self.counters.of_other_epochs.inc_by(unwelcome.foreign.len() as u64);
        }
        self.set_aside(unwelcome.unreadable).await
    }

    /// Moves entries out of the stream. Whoever acknowledges an entry first counts and logs it.
    pub(super) async fn set_aside(&self, entries: Vec<Aside>) -> Result<(), Error> {
        for entry in entries {
            if !self.streams.set_aside(&entry, self.settings.epoch).await? {
                continue;
            }
            let counter = match entry.reason {
                AsideReason::Poison => &self.counters.poisoned,
                AsideReason::Format | AsideReason::Broken => &self.counters.unreadable,
            };
            counter.inc();
            let name = entry.name(self.settings.epoch);
            let (reason, tries, fields) = (entry.reason, entry.tries, entry.fields.lossy());
            tracing::error!(
                name,
                ?reason,
                tries,
                ?fields,
                "an event was set aside; its tweet is not delivered"
            );
        }
        Ok(())
    }
}

impl Streams {
    async fn set_aside(&self, entry: &Aside, epoch: Epoch) -> Result<bool, Error> {
        let keys = self.keys(entry.place.partition);
        let id = entry.place.id.to_string();
        let arguments = [GROUP, &id, &entry.name(epoch), &entry.kept()];
        run(
            self.client()?,
            scripts::SET_ASIDE,
            &[&keys.stream, &keys.aside],
            &arguments,
        )
        .await
    }

    /// How many events are set aside.
    pub(super) async fn count_aside(&self) -> Result<u64, Error> {
        let pipeline = self.client()?.pipeline();
        for partition in self.partitions() {
            let () = pipeline.hlen(self.keys(partition).aside.as_str()).await?;
        }
        let counts: Vec<u64> = pipeline.all().await?;
        Ok(counts.iter().sum())
    }

    /// Which of these names are set aside.
    pub(super) async fn are_aside(&self, partition: u32, names: &[String]) -> Result<Vec<bool>, Error> {
        let key = self.keys(partition).aside.as_str();
        let kept: Vec<Option<String>> = self.client()?.hmget(key, names.to_vec()).await?;
        Ok(kept.iter().map(Option::is_some).collect())
    }

    /// What is set aside in a partition, at most about `limit`.
    pub(super) async fn list_aside(&self, partition: u32, epoch: Epoch, limit: usize) -> Result<Vec<SetAside>, Error> {
        const AT_ONCE: &str = "100";
        let key = self.keys(partition).aside.as_str();
        let mut cursor = "0".to_owned();
        let mut list = Vec::new();
        loop {
            let scan = CustomCommand::new_static("HSCAN", ClusterHash::FirstKey, false);
            let arguments = vec![key, &cursor, "COUNT", AT_ONCE];
            let (next, flat): (String, Vec<String>) = self.client()?.custom(scan, arguments).await?;
            list.extend(
                flat.chunks_exact(2)
                    .map(|pair| described(partition, epoch, &pair[0], &pair[1])),
            );
            cursor = next;
            if cursor == "0" || list.len() >= limit {
                list.truncate(limit);
                return Ok(list);
            }
        }
    }

    /// Gives an event that was set aside back to the workers. One that this build does not understand just goes from here:
    /// if its outbox row is still there, it is published from that.
    pub(super) async fn replay(&self, aside: &SetAside, epoch: Epoch) -> Result<bool, Error> {
        let keys = self.keys(aside.partition);
        let fields = aside
            .event
            .as_ref()
            .map(|event| encode(event, epoch))
            .unwrap_or_default();
        let flat = fields.iter().flat_map(|(name, value)| [*name, value.as_str()]);
        let arguments: Vec<&str> = std::iter::once(aside.name.as_str()).chain(flat).collect();
        run(
            self.client()?,
            scripts::REPLAY,
            &[&keys.stream, &keys.aside],
            &arguments,
        )
        .await
    }
}

fn described(partition: u32, epoch: Epoch, name: &str, kept: &str) -> SetAside {
    let kept = serde_json::from_str(kept).unwrap_or_else(|_| Kept {
        entry: String::new(),
        reason: AsideReason::Broken,
        tries: 0,
        fields: vec![("kept".to_owned(), kept.to_owned())],
    });
    let told = Fields::from_text(&kept.fields).decode().ok();
    let of_this_epoch = told.filter(|told| told.epoch == epoch);
    SetAside {
        name: name.to_owned(),
        position: position(name, epoch),
        partition,
        entry: kept.entry,
        reason: kept.reason,
        tries: kept.tries,
        event: of_this_epoch.map(|told| told.event),
        fields: kept.fields,
    }
}

//! The streams, as commands.
//!
//! The events of an author are all in one stream, so that they keep their order. The key of each carries a hash tag of its
//! own: in a cluster they spread over the nodes, and what belongs to one partition stays together.

use std::time::Duration;

use ahash::AHashMap;
use fred::clients::{Client, Pipeline};
use fred::error::Error;
use fred::interfaces::{ClientLike, StreamsInterface};
use fred::types::{ClusterHash, CustomCommand, FromValue, Value};
use model::{Epoch, Event, UserId};

use super::book::{Place, Tried};
use super::entry::{Entry, EntryId, encode, entries, entries_by_stream};
use crate::client::Connection;

/// The one group of consumers.
pub(super) const GROUP: &str = "fan-out";

/// How many entries one command names, at most.
const AT_ONCE: usize = 1_000;

/// An entry that somebody was given and that is not acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    pub(super) id: EntryId,
    /// How often it was handed out.
    pub(super) tries: u64,
}

/// The keys of a partition.
pub(super) struct Keys {
    pub(super) stream: String,
    /// A hash of what was set aside.
    pub(super) aside: String,
}

/// The streams of all partitions.
pub(super) struct Streams {
    connection: Connection,
    consumer: String,
    keys: Vec<Keys>,
}

impl Streams {
    /// The streams, for a consumer whose name nobody else has.
    pub(super) fn new(connection: Connection, partitions: u32, consumer: String) -> Self {
        let keys = |partition: u32| Keys {
            stream: format!("events{{{partition}}}"),
            aside: format!("events-poison{{{partition}}}"),
        };
        Self {
            connection,
            consumer,
            keys: (0..partitions.max(1)).map(keys).collect(),
        }
    }

    pub(super) fn partitions(&self) -> std::ops::Range<u32> {
        0..u32::try_from(self.keys.len()).expect("made from as many partitions as a u32 counts")
    }

    /// Which stream an author's events are in.
    pub(super) fn partition_of(&self, author: UserId) -> u32 {
        u32::try_from(author.get() % self.keys.len() as u64).expect("below the number of partitions")
    }

    /// Fails at once while there is no connection.
    pub(super) fn client(&self) -> Result<&Client, Error> {
        self.connection.connected()
    }

    pub(super) fn consumer(&self) -> &str {
        &self.consumer
    }

    pub(super) fn keys(&self, partition: u32) -> &Keys {
        &self.keys[partition as usize]
    }

    fn stream(&self, partition: u32) -> &str {
        &self.keys(partition).stream
    }

    /// Appends events, each to its author's stream, in their order.
    pub(super) async fn append(&self, events: impl Iterator<Item = &Event>, epoch: Epoch) -> Result<(), Error> {
        let pipeline = self.client()?.pipeline();
        for event in events {
            let stream = self.stream(self.partition_of(event.body.author()));
            let () = pipeline.xadd(stream, false, None, "*", encode(event, epoch)).await?;
        }
        pipeline.all::<Vec<Value>>().await.map(|_| ())
    }

    /// Makes the group where it is missing. It starts at the very beginning: nothing that lies in a stream is passed over.
    pub(super) async fn create_groups(&self) -> Result<(), Error> {
        let pipeline = self.client()?.pipeline();
        for keys in &self.keys {
            let () = pipeline.xgroup_create(keys.stream.as_str(), GROUP, "0", true).await?;
        }
        let is_there = |error: &Error| error.details().starts_with("BUSYGROUP");
        let created = pipeline.try_all::<Value>().await;
        created
            .into_iter()
            .filter_map(Result::err)
            .find(|error| !is_there(error))
            .map_or(Ok(()), Err)
    }

    /// Entries that were never delivered, at most `each` of a partition; waits up to `wait` for the first. Over `client`,
    /// which waits with it.
    pub(super) async fn read(
        &self,
        client: &Client,
        partitions: &[u32],
        each: usize,
        wait: Option<Duration>,
    ) -> Result<Vec<(u32, Vec<Entry>)>, Error> {
        let streams: Vec<&str> = partitions.iter().map(|partition| self.stream(*partition)).collect();
        // A wait of 0 would be one without end.
        let wait_ms = wait.map(|wait| millis(wait).max(1));
        let ids = vec![">"; streams.len()];
        let answer = client
            .xreadgroup::<Value, _, _, _, _>(
                GROUP,
                self.consumer.as_str(),
                Some(each as u64),
                wait_ms,
                false,
                streams,
                ids,
            )
            .await?;
        let partition_of = |stream: &[u8]| {
            let of = |partition: &&u32| self.stream(**partition).as_bytes() == stream;
            partitions.iter().find(of).copied()
        };
        let found = entries_by_stream(answer).into_iter();
        Ok(found
            .filter_map(|(stream, entries)| Some((partition_of(&stream)?, entries)))
            .collect())
    }

    /// These are done with: they go.
    pub(super) async fn acknowledge(&self, places: &[Place]) -> Result<(), Error> {
        let pipeline = self.client()?.pipeline();
        for (partition, ids) in by_partition(places) {
            for ids in ids.chunks(AT_ONCE) {
                let () = pipeline.xack(self.stream(partition), GROUP, ids.to_vec()).await?;
                let () = pipeline.xdel(self.stream(partition), ids.to_vec()).await?;
            }
        }
        pipeline.all::<Vec<Value>>().await.map(|_| ())
    }

    /// Shows that these are being worked on.
    pub(super) async fn touch(&self, places: &[Place]) -> Result<(), Error> {
        let pipeline = self.client()?.pipeline();
        for (partition, ids) in by_partition(places) {
            for ids in ids.chunks(AT_ONCE) {
                self.claim_silently(&pipeline, partition, ids.to_vec(), None, None)
                    .await?;
            }
        }
        pipeline.all::<Vec<Value>>().await.map(|_| ())
    }

    /// Says how often entries have been handed out, and how long they have been idle: with what others wait for, they are
    /// whoever's asks first.
    pub(super) async fn set_tries(&self, entries: &[Tried], idle: Duration) -> Result<(), Error> {
        let mut by_tries: AHashMap<u64, Vec<Place>> = AHashMap::new();
        for entry in entries {
            by_tries.entry(entry.tries).or_default().push(entry.place);
        }
        let pipeline = self.client()?.pipeline();
        for (tries, places) in by_tries {
            for (partition, ids) in by_partition(&places) {
                for ids in ids.chunks(AT_ONCE) {
                    self.claim_silently(&pipeline, partition, ids.to_vec(), Some(millis(idle)), Some(tries))
                        .await?;
                }
            }
        }
        pipeline.all::<Vec<Value>>().await.map(|_| ())
    }

    /// Sets how long entries have been idle, without counting it as another try.
    async fn claim_silently(
        &self,
        pipeline: &Pipeline<Client>,
        partition: u32,
        ids: Vec<String>,
        idle_ms: Option<u64>,
        tries: Option<u64>,
    ) -> Result<(), Error> {
        let consumer = self.consumer.as_str();
        pipeline
            .xclaim(
                self.stream(partition),
                GROUP,
                consumer,
                0,
                ids,
                idle_ms,
                None,
                tries,
                false,
                true,
            )
            .await
    }

    /// Entries that nobody has shown to be working on for so long, at most `each` of a partition, oldest first.
    pub(super) async fn idle(&self, idle: Duration, each: usize) -> Result<Vec<(u32, Vec<Pending>)>, Error> {
        let pipeline = self.client()?.pipeline();
        for keys in &self.keys {
            let of = (millis(idle), "-", "+", each as u64);
            let () = pipeline.xpending(keys.stream.as_str(), GROUP, of).await?;
        }
        let answers: Vec<Value> = pipeline.all().await?;
        Ok(self.partitions().zip(answers.into_iter().map(pending)).collect())
    }

    /// Takes entries over, those that are still that idle; it counts as another try.
    pub(super) async fn claim(&self, partition: u32, ids: &[EntryId], idle: Duration) -> Result<Vec<Entry>, Error> {
        let mut claimed = Vec::with_capacity(ids.len());
        for ids in ids.chunks(AT_ONCE) {
            let ids: Vec<String> = ids.iter().map(EntryId::to_string).collect();
            let answer: Value = self
                .client()?
                .xclaim(
                    self.stream(partition),
                    GROUP,
                    self.consumer.as_str(),
                    millis(idle),
                    ids,
                    None,
                    None,
                    None,
                    false,
                    false,
                )
                .await?;
            claimed.extend(entries(answer));
        }
        Ok(claimed)
    }

    /// A page of what was delivered and is not acknowledged, above `after`.
    pub(super) async fn delivered(&self, partition: u32, after: Option<EntryId>) -> Result<Vec<Pending>, Error> {
        let from = above(after);
        let of = (from.as_str(), "+", AT_ONCE as u64);
        let answer: Value = self.client()?.xpending(self.stream(partition), GROUP, of).await?;
        Ok(pending(answer))
    }

    /// A page of the entries above `after` up to `last`.
    pub(super) async fn range(
        &self,
        partition: u32,
        after: Option<EntryId>,
        last: EntryId,
    ) -> Result<Vec<Entry>, Error> {
        let stream = self.stream(partition);
        let answer: Value = self
            .client()?
            .xrange(stream, above(after), last.to_string(), Some(AT_ONCE as u64))
            .await?;
        Ok(entries(answer))
    }

    /// Runs a script on the stream of each partition.
    pub(super) async fn on_each(&self, script: &'static str, arguments: &[&str]) -> Result<Vec<Value>, Error> {
        let pipeline = self.client()?.pipeline();
        for keys in &self.keys {
            let mut of_script = vec![GROUP];
            of_script.extend(arguments);
            let () = run(&pipeline, script, &[&keys.stream], &of_script).await?;
        }
        pipeline.all().await
    }
}

/// Runs a script; its first key says on which node.
pub(super) async fn run<C: ClientLike, R: FromValue>(
    client: &C,
    script: &'static str,
    keys: &[&str],
    arguments: &[&str],
) -> Result<R, Error> {
    // Of a command of one's own the client takes no other hint: it would go by the first argument, the script's text.
    let slot = fred::util::redis_keyslot(keys[0].as_bytes());
    let command = CustomCommand::new_static("EVAL", ClusterHash::Custom(slot), false);
    let count = keys.len().to_string();
    let all = [script, count.as_str()].into_iter().chain(keys.iter().copied());
    let all: Vec<Value> = all.chain(arguments.iter().copied()).map(Value::from).collect();
    client.custom(command, all).await
}

fn by_partition(places: &[Place]) -> AHashMap<u32, Vec<String>> {
    let mut by_partition: AHashMap<u32, Vec<String>> = AHashMap::new();
    for place in places {
        by_partition
            .entry(place.partition)
            .or_default()
            .push(place.id.to_string());
    }
    by_partition
}

fn above(after: Option<EntryId>) -> String {
    after.map_or_else(|| "-".to_owned(), |after| format!("({after}"))
}

/// What XPENDING lists: id, consumer, idle time and how often it was delivered.
fn pending(answer: Value) -> Vec<Pending> {
    let one = |answer: Value| {
        let parts = answer.into_array();
        let id = parts.first()?.as_str()?.parse().ok()?;
        let tries = parts.get(3)?.as_u64()?;
        Some(Pending { id, tries })
    };
    answer.into_array().into_iter().filter_map(one).collect()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

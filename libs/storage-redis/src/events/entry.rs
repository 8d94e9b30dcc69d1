//! What an entry of a stream holds.
//!
//! Two fields: `format`, and `event`, which is `epoch position kind tweet author trace` with a space between each and the
//! next (a `-` for no trace). An operator can read that, and Redis goes through a block of entries the faster the fewer
//! fields they have, which it does whenever one is deleted. A later build may add fields, which this one passes over;
//! `format` counts up only when older builds could not make sense of what is written: they set it aside.

use std::fmt;
use std::str::FromStr;

use fred::types::Value;
use model::{EVENT_FORMAT, Epoch, Event, EventBody, Position, TraceContext, TweetId, UserId};

/// The id that Redis gave an entry: when, by its own clock, and a number within that millisecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct EntryId {
    pub(super) ms: u64,
    pub(super) seq: u64,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.seq)
    }
}

impl FromStr for EntryId {
    type Err = NotAnEntryId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (ms, seq) = text.split_once('-').ok_or(NotAnEntryId)?;
        Ok(Self {
            ms: ms.parse().map_err(|_| NotAnEntryId)?,
            seq: seq.parse().map_err(|_| NotAnEntryId)?,
        })
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the id of an entry")]
pub(super) struct NotAnEntryId;

/// An entry as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) id: EntryId,
    pub(super) fields: Fields,
}

/// The fields of an entry.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fields(Vec<Value>);

/// Why an entry could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// A later build wrote it.
    Format,
    /// It lacks something, or holds nonsense.
    Broken,
}

/// What an entry tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) epoch: Epoch,
}

const FORMAT: &str = "format";
const EVENT: &str = "event";
const ACCEPTED: &str = "accepted";
const DELETED: &str = "deleted";
const NO_TRACE: &str = "-";

/// The fields that an event is written as.
pub(super) fn encode(event: &Event, epoch: Epoch) -> Vec<(&'static str, String)> {
    let kind = match event.body {
        EventBody::TweetAccepted { .. } => ACCEPTED,
        EventBody::TweetDeleted { .. } => DELETED,
    };
    let (position, tweet, author) = (event.position, event.body.tweet(), event.body.author());
    let trace = event.trace.as_ref().map_or(NO_TRACE, |trace| trace.0.as_str());
    vec![
        (FORMAT, event.format.to_string()),
        (EVENT, format!("{epoch} {position} {kind} {tweet} {author} {trace}")),
    ]
}

impl Fields {
    /// The event that was written.
    pub(super) fn decode(&self) -> Result<Told, Unreadable> {
        let format: u16 = parsed(self.text(FORMAT))?;
        if format != EVENT_FORMAT {
            return Err(Unreadable::Format);
        }
        // The trace is the last, and may hold anything.
        let mut parts = self.text(EVENT).ok_or(Unreadable::Broken)?.splitn(6, ' ');
        let epoch = Epoch(number(parts.next())?);
        let position = Position(number(parts.next())?);
        let kind = parts.next();
        let tweet = TweetId::new(number(parts.next())?);
        let author = UserId::new(number(parts.next())?);
        let body = match kind {
            Some(ACCEPTED) => EventBody::TweetAccepted { tweet, author },
            Some(DELETED) => EventBody::TweetDeleted { tweet, author },
            _ => return Err(Unreadable::Broken),
        };
        let trace = parts.next().ok_or(Unreadable::Broken)?;
        let event = Event {
            format,
            position,
            trace: (trace != NO_TRACE).then(|| TraceContext(trace.to_owned())),
            body,
        };
        Ok(Told { event, epoch })
    }

    /// Fields that people have read.
    pub(super) fn from_text(pairs: &[(String, String)]) -> Self {
        let values = pairs.iter().flat_map(|(name, value)| [name, value]);
        Self(values.map(|text| Value::from(text.as_str())).collect())
    }

    /// The event's position, where there is one to be read: the formats that are to come keep its place.
    pub(super) fn position(&self) -> Option<Position> {
        let position = self.text(EVENT)?.split(' ').nth(1);
        number(position).ok().map(Position)
    }

    /// All fields, for people to read.
    pub(super) fn lossy(&self) -> Vec<(String, String)> {
        let text = |value: &Value| String::from_utf8_lossy(value.as_bytes().unwrap_or_default()).into_owned();
        self.0
            .chunks(2)
            .map(|pair| (text(&pair[0]), pair.get(1).map(text).unwrap_or_default()))
            .collect()
    }

    fn text(&self, name: &str) -> Option<&str> {
        let mut pairs = self.0.chunks_exact(2);
        let pair = pairs.find(|pair| pair[0].as_bytes() == Some(name.as_bytes()))?;
        std::str::from_utf8(pair[1].as_bytes()?).ok()
    }
}

fn parsed<T: FromStr>(text: Option<&str>) -> Result<T, Unreadable> {
    text.and_then(|text| text.parse().ok()).ok_or(Unreadable::Broken)
}

/// A number as the stores keep them. Above 2^63 is nonsense: there it would end whoever takes it there.
pub(super) fn number(text: Option<&str>) -> Result<u64, Unreadable> {
    parsed(text).and_then(|number: i64| number.try_into().map_err(|_| Unreadable::Broken))
}

/// The entries of one stream in an answer. An entry that has been deleted meanwhile is left out.
pub(super) fn entries(answer: Value) -> Vec<Entry> {
    answer.into_array().into_iter().filter_map(entry).collect()
}

fn entry(answer: Value) -> Option<Entry> {
    let mut parts = answer.into_array().into_iter();
    let id = parts.next()?.as_str()?.parse().ok()?;
    let Some(Value::Array(fields)) = parts.next() else {
        return None;
    };
    Some(Entry {
        id,
        fields: Fields(fields),
    })
}

/// The entries of several streams, with the keys of those streams.
pub(super) fn entries_by_stream(answer: Value) -> Vec<(Vec<u8>, Vec<Entry>)> {
    match answer {
        Value::Map(streams) => streams
            .inner()
            .into_iter()
            .map(|(key, answer)| (key.as_bytes().to_vec(), entries(answer)))
            .collect(),
        Value::Array(streams) => streams.into_iter().filter_map(stream).collect(),
        _ => Vec::new(),
    }
}

fn stream(answer: Value) -> Option<(Vec<u8>, Vec<Entry>)> {
    let mut parts = answer.into_array().into_iter();
    let key = parts.next()?.into_owned_bytes()?;
    Some((key, entries(parts.next()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(body: EventBody, trace: Option<&str>) -> Event {
        Event {
            format: EVENT_FORMAT,
            position: Position(77),
            trace: trace.map(|trace| TraceContext(trace.to_owned())),
            body,
        }
    }

    fn written(event: &Event) -> Vec<(&'static str, String)> {
        encode(event, Epoch(3))
    }

    fn fields(pairs: &[(&'static str, String)]) -> Fields {
        let pairs: Vec<_> = pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        Fields::from_text(&pairs)
    }

    const ACCEPTED_9: EventBody = EventBody::TweetAccepted {
        tweet: TweetId::new(9),
        author: UserId::new(4),
    };

    #[test]
    fn an_event_is_read_as_it_was_written() {
        let deleted = EventBody::TweetDeleted {
            tweet: TweetId::MAX,
            author: UserId::new(1),
        };
        for event in [event(ACCEPTED_9, Some("00-aa-bb-01")), event(deleted, None)] {
            let told = Told {
                event: event.clone(),
                epoch: Epoch(3),
            };
            assert_eq!(fields(&written(&event)).decode(), Ok(told));
        }
    }

    #[test]
    fn an_operator_can_read_it() {
        let event = event(ACCEPTED_9, Some("00-aa-bb-01"));
        let expected = [("format", "1"), ("event", "3 77 accepted 9 4 00-aa-bb-01")];
        assert_eq!(written(&event), expected.map(|(name, text)| (name, text.to_owned())));
    }

    #[test]
    fn fields_that_are_not_known_are_passed_over() {
        let event = event(ACCEPTED_9, None);
        let mut pairs = written(&event);
        pairs.insert(1, ("colour", "blue".to_owned()));
        assert_eq!(fields(&pairs).decode().unwrap().event, event);
    }

    #[test]
    fn a_later_format_is_told_from_nonsense() {
        let mut later = written(&event(ACCEPTED_9, None));
        later[0].1 = "2".to_owned();
        assert_eq!(fields(&later).decode(), Err(Unreadable::Format));
        assert_eq!(fields(&later).position(), Some(Position(77)));
        for broken in [
            "",
            "3 77 accepted 9 4",
            "-3 77 accepted 9 4 -",
            "3 x accepted 9 4 -",
            "3 77 altered 9 4 -",
            "3 77 accepted  4 -",
            "3 77 accepted 9 -4 -",
            "3 77 accepted 9300000000000000000 4 -",
            "3 18446744073709551615 accepted 9 4 -",
        ] {
            let pairs = [(FORMAT, "1".to_owned()), (EVENT, broken.to_owned())];
            assert_eq!(fields(&pairs).decode(), Err(Unreadable::Broken), "{broken:?}");
        }
        let odd = Fields(vec![Value::from("format")]);
        assert_eq!(odd.decode(), Err(Unreadable::Broken));
        assert_eq!(odd.lossy(), [("format".to_owned(), String::new())]);
        assert_eq!(odd.position(), None);
        later[1].1 = "3 18446744073709551615 x".to_owned();
        assert_eq!(fields(&later).position(), None);
    }

    #[test]
    fn ids_are_ordered_by_time_and_number() {
        let id = |text: &str| text.parse::<EntryId>().unwrap();
        assert!(id("5-9") < id("5-10") && id("5-10") < id("10-0"));
        assert_eq!(id("1700-3").to_string(), "1700-3");
        for bad in ["", "5", "5-", "-5", "a-1", "1-2-3"] {
            assert_eq!(bad.parse::<EntryId>(), Err(NotAnEntryId), "{bad}");
        }
    }
}

//! Cursors: positions in a scroll, and marks that tell what had been visible.

use http_kit::{Problem, cursor};
use model::TweetId;

const HOME_POSITION: u8 = 1;
const HOME_MARK: u8 = 2;

/// What was visible to a reader at some moment: everything visible below `settled`, and of the ids from there on just
/// `seen`. Nothing can arrive late below `settled`; what arrives above it is told from what was there by `seen`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    /// Below it every tweet was committed and delivered.
    pub(crate) settled: TweetId,
    /// What was visible at or above it, oldest first.
    pub(crate) seen: Vec<TweetId>,
}

impl Mark {
    /// Whether a tweet that is visible now was visible then, as far as ids can tell.
    pub(crate) fn covers(&self, id: TweetId) -> bool {
        id < self.settled || self.seen.binary_search(&id).is_ok()
    }

    /// What was seen at an earlier mark, and may be hidden at the moment: a tweet that is not delivered yet may show in one
    /// read and not in the next. Whoever has had it must not get it again. At most `most` ids are listed.
    pub(crate) fn remember(&mut self, earlier: &Self, most: usize) {
        let above = &earlier.seen[earlier.seen.partition_point(|id| *id < self.settled)..];
        let hidden = above.iter().filter(|id| self.seen.binary_search(id).is_err());
        let hidden: Vec<TweetId> = hidden.take(most.saturating_sub(self.seen.len())).copied().collect();
        self.seen.extend(hidden);
        self.seen.sort_unstable();
    }

    pub(crate) fn encode(&self) -> String {
        let mut payload = Vec::with_capacity(16 + self.seen.len() * 5);
        self.write(&mut payload);
        cursor::encode(HOME_MARK, &payload)
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Problem> {
        let payload = cursor::decode(HOME_MARK, text)?;
        let mut rest = payload.as_slice();
        Self::read(&mut rest)
            .filter(|_| rest.is_empty())
            .ok_or_else(cursor::invalid)
    }

    fn write(&self, payload: &mut Vec<u8>) {
        write_varint(payload, self.settled.get());
        write_varint(payload, self.seen.len() as u64);
        let mut last = self.settled.get();
        for id in &self.seen {
            write_varint(payload, id.get() - last);
            last = id.get();
        }
    }

    fn read(rest: &mut &[u8]) -> Option<Self> {
        let settled = read_id(rest)?;
        let count = read_varint(rest)?;
        let mut seen = Vec::new();
        let mut last = settled.get();
        for _ in 0..count {
            last = last
                .checked_add(read_varint(rest)?)
                .filter(|id| *id <= TweetId::MAX.get())?;
            seen.push(TweetId::new(last));
        }
        seen.is_sorted().then_some(Self { settled, seen })
    }
}

/// Where a scroll through a home timeline goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HomeCursor {
    /// The next page holds what is below.
    pub(crate) below: TweetId,
    /// What was visible when the scroll began: later pages show nothing that arrived since, so that a poll from the same
    /// mark repeats nothing of the scroll.
    pub(crate) mark: Mark,
}

impl HomeCursor {
    pub(crate) fn encode(&self) -> String {
        let mut payload = Vec::with_capacity(24 + self.mark.seen.len() * 5);
        write_varint(&mut payload, self.below.get());
        self.mark.write(&mut payload);
        cursor::encode(HOME_POSITION, &payload)
    }

    pub(crate) fn decode(text: &str) -> Result<Self, Problem> {
        let payload = cursor::decode(HOME_POSITION, text)?;
        let mut rest = payload.as_slice();
        let read = |rest: &mut &[u8]| {
            Some(Self {
                below: read_id(rest)?,
                mark: Mark::read(rest)?,
            })
        };
        read(&mut rest).filter(|_| rest.is_empty()).ok_or_else(cursor::invalid)
    }
}

fn read_id(rest: &mut &[u8]) -> Option<TweetId> {
    read_varint(rest)
        .filter(|id| *id <= TweetId::MAX.get())
        .map(TweetId::new)
}

/// LEB128: seven bits a byte, lowest first.
fn write_varint(payload: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        payload.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    payload.push((number & 0x7f) as u8);
}

fn read_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, tail) = rest.split_first()?;
        *rest = tail;
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_mark() -> impl Strategy<Value = Mark> {
        (
            0..=TweetId::MAX.get() / 2,
            proptest::collection::vec(0..1_u64 << 40, 0..50),
        )
            .prop_map(|(settled, mut above)| {
                above.sort_unstable();
                above.dedup();
                let seen = above.into_iter().map(|delta| TweetId::new(settled + delta)).collect();
                Mark {
                    settled: TweetId::new(settled),
                    seen,
                }
            })
    }

    #[test]
    fn what_was_seen_is_remembered_while_it_is_hidden() {
        let mark = |settled, seen: &[u64]| Mark {
            settled: TweetId::new(settled),
            seen: seen.iter().copied().map(TweetId::new).collect(),
        };
        let earlier = mark(10, &[11, 15, 20, 22]);
        let mut now = mark(15, &[20, 30]);
        now.remember(&earlier, 10);
        assert_eq!(now, mark(15, &[15, 20, 22, 30]));
        let mut bounded = mark(15, &[20, 30]);
        bounded.remember(&earlier, 3);
        assert_eq!(bounded, mark(15, &[15, 20, 30]));
    }

    proptest! {
        #[test]
        fn cursors_come_back_as_they_went(mark in any_mark(), below in 0..=TweetId::MAX.get()) {
            prop_assert_eq!(&Mark::decode(&mark.encode()).unwrap(), &mark);
            let cursor = HomeCursor { below: TweetId::new(below), mark };
            prop_assert_eq!(HomeCursor::decode(&cursor.encode()).unwrap(), cursor);
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}") {
            let _ = Mark::decode(&text);
            let _ = HomeCursor::decode(&text);
        }

        #[test]
        fn no_payload_makes_it_panic(payload in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Mark::decode(&cursor::encode(HOME_MARK, &payload));
            let _ = HomeCursor::decode(&cursor::encode(HOME_POSITION, &payload));
        }
    }

    #[test]
    fn one_kind_is_not_taken_for_another() {
        let mark = Mark {
            settled: TweetId::new(9),
            seen: vec![TweetId::new(10)],
        };
        assert!(HomeCursor::decode(&mark.encode()).is_err());
        assert!(mark.covers(TweetId::new(8)) && mark.covers(TweetId::new(10)) && !mark.covers(TweetId::new(9)));
    }
}

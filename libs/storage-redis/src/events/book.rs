//! What this process has of the streams: what waits for a worker, and what the workers hold.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use model::{Event, Position};
use storage::{Receipt, Received};

use super::entry::EntryId;

/// Where an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) partition: u32,
    pub(super) id: EntryId,
}

/// Where an entry is, and how often it had been handed out before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tried {
    pub(super) place: Place,
    pub(super) tries: u64,
}

/// An entry that was delivered to this process.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub(super) place: Place,
    pub(super) event: Event,
    /// How often it had been handed out before.
    pub(super) tries: u64,
}

impl Taken {
    fn tried(&self) -> Tried {
        Tried {
            place: self.place,
            tries: self.tries,
        }
    }
}

/// In which company entries are handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Company {
    /// With all others.
    Any,
    /// They have failed repeatedly: only with each other, and only one such company at a time, so that whichever of them
    /// ends processes takes nobody else with it.
    Suspects,
}

struct Held {
    position: Position,
    /// Its entry, and others of the same event that came while it was held.
    entries: Vec<Tried>,
    company: Company,
}

/// Events on their way between the streams and the workers of this process.
#[derive(Default)]
pub(super) struct Book {
    last_receipt: u64,
    waiting: VecDeque<(Instant, Taken)>,
    suspects: VecDeque<(Instant, Taken)>,
    held: AHashMap<Receipt, Held>,
    by_position: AHashMap<Position, Receipt>,
    /// Done in the outbox, and not yet acknowledged in the streams.
    settled: Vec<Place>,
    suspects_held: usize,
}

impl Book {
    /// These were delivered and wait for a worker.
    pub(super) fn add(&mut self, company: Company, taken: impl IntoIterator<Item = Taken>, now: Instant) {
        let queue = match company {
            Company::Any => &mut self.waiting,
            Company::Suspects => &mut self.suspects,
        };
        queue.extend(taken.into_iter().map(|taken| (now, taken)));
    }

    /// Hands out at most `max` events. An event that is held already is not handed out twice: its entries are
    /// acknowledged together.
    pub(super) fn take(&mut self, max: usize) -> Vec<Received> {
        let suspects = self.take_from(Company::Suspects, max);
        if suspects.is_empty() {
            self.take_from(Company::Any, max)
        } else {
            suspects
        }
    }

    fn take_from(&mut self, company: Company, max: usize) -> Vec<Received> {
        let mut received = Vec::new();
        while received.len() < max {
            let queue = match company {
                Company::Any => &mut self.waiting,
                Company::Suspects => &mut self.suspects,
            };
            let Some((_, taken)) = queue.pop_front() else { break };
            received.extend(self.hold(taken, company));
        }
        received
    }

    fn hold(&mut self, taken: Taken, company: Company) -> Option<Received> {
        let position = taken.event.position;
        let same = self
            .by_position
            .get(&position)
            .and_then(|receipt| self.held.get_mut(receipt));
        if let Some(held) = same {
            if held.entries.iter().all(|entry| entry.place != taken.place) {
                held.entries.push(taken.tried());
            }
            return None;
        }
        self.last_receipt += 1;
        let receipt = Receipt(self.last_receipt);
        let held = Held {
            position,
            entries: vec![taken.tried()],
            company,
        };
        self.held.insert(receipt, held);
        self.by_position.insert(position, receipt);
        self.suspects_held += usize::from(company == Company::Suspects);
        Some(Received {
            receipt,
            event: taken.event,
        })
    }

    /// Whether entries that have failed repeatedly may be taken now.
    pub(super) fn may_take_suspects(&self) -> bool {
        self.suspects_held == 0 && self.suspects.is_empty()
    }

    /// The positions that these receipts stand for; none for those that are settled.
    pub(super) fn positions(&self, receipts: &[Receipt]) -> Vec<Position> {
        let held = receipts.iter().filter_map(|receipt| self.held.get(receipt));
        held.map(|held| held.position).collect()
    }

    /// The outbox has recorded these as done.
    pub(super) fn settle(&mut self, receipts: &[Receipt]) {
        let settled = self.let_go(receipts);
        self.settled.extend(settled.iter().map(|entry| entry.place));
    }

    /// The workers no longer hold these; answers their entries.
    pub(super) fn let_go(&mut self, receipts: &[Receipt]) -> Vec<Tried> {
        let mut entries = Vec::new();
        for receipt in receipts {
            let Some(held) = self.held.remove(receipt) else {
                continue;
            };
            self.by_position.remove(&held.position);
            self.suspects_held -= usize::from(held.company == Company::Suspects);
            entries.extend(held.entries);
        }
        entries
    }

    /// These only wait from now on, in no particular company; answers their entries.
    pub(super) fn park(&mut self, receipts: &[Receipt]) -> Vec<Tried> {
        let mut parked = Vec::new();
        for receipt in receipts {
            if let Some(held) = self.held.get_mut(receipt) {
                self.suspects_held -= usize::from(held.company == Company::Suspects);
                held.company = Company::Any;
                parked.extend_from_slice(&held.entries);
            }
        }
        parked
    }

    /// Takes everything that is not settled.
    pub(super) fn take_all(&mut self) -> Vec<Tried> {
        self.by_position.clear();
        self.suspects_held = 0;
        let held = self.held.drain().flat_map(|(_, held)| held.entries);
        let waiting = self.waiting.drain(..).chain(self.suspects.drain(..));
        held.chain(waiting.map(|(_, taken)| taken.tried())).collect()
    }

    /// Takes what is to be acknowledged in the streams.
    pub(super) fn take_settled(&mut self) -> Vec<Place> {
        std::mem::take(&mut self.settled)
    }

    /// These could not be acknowledged in the streams yet.
    pub(super) fn put_back(&mut self, places: Vec<Place>) {
        self.settled.extend(places);
    }

    /// Entries of what the workers hold.
    pub(super) fn held(&self) -> Vec<Place> {
        let entries = self.held.values().flat_map(|held| &held.entries);
        entries.map(|entry| entry.place).collect()
    }

    /// Removes entries for which no worker has come within `within`.
    pub(super) fn take_unwanted(&mut self, now: Instant, within: Duration) -> Vec<Tried> {
        let mut unwanted = Vec::new();
        for queue in [&mut self.waiting, &mut self.suspects] {
            while queue
                .front()
                .is_some_and(|(since, _)| now.duration_since(*since) >= within)
            {
                unwanted.extend(queue.pop_front().map(|(_, taken)| taken.tried()));
            }
        }
        unwanted
    }
}

#[cfg(test)]
mod tests {
    use model::{EventBody, TweetId, UserId};

    use super::*;

    fn place(n: u64) -> Place {
        Place {
            partition: 0,
            id: EntryId { ms: n, seq: 0 },
        }
    }

    fn taken(n: u64, position: u64) -> Taken {
        let event = Event {
            format: 1,
            position: Position(position),
            trace: None,
            body: EventBody::TweetAccepted {
                tweet: TweetId::new(position),
                author: UserId::new(1),
            },
        };
        Taken {
            place: place(n),
            event,
            tries: 0,
        }
    }

    fn positions(received: &[Received]) -> Vec<u64> {
        received.iter().map(|received| received.event.position.0).collect()
    }

    fn receipts(received: &[Received]) -> Vec<Receipt> {
        received.iter().map(|received| received.receipt).collect()
    }

    #[test]
    fn what_was_delivered_is_handed_out_once_and_in_order() {
        let mut book = Book::default();
        book.add(Company::Any, (1..=5).map(|n| taken(n, n)), Instant::now());
        assert_eq!(positions(&book.take(3)), [1, 2, 3]);
        assert_eq!(positions(&book.take(3)), [4, 5]);
        assert_eq!(book.take(3), []);
    }

    #[test]
    fn a_copy_of_what_is_held_is_acknowledged_with_it() {
        let mut book = Book::default();
        book.add(Company::Any, [taken(1, 7)], Instant::now());
        let held = book.take(9);
        book.add(
            Company::Any,
            [taken(1, 7), taken(2, 7), taken(2, 7), taken(3, 8)],
            Instant::now(),
        );
        assert_eq!(positions(&book.take(9)), [8]);
        assert_eq!(book.positions(&receipts(&held)), [Position(7)]);
        book.settle(&receipts(&held));
        book.settle(&receipts(&held));
        assert_eq!(book.take_settled(), [place(1), place(2)]);
        assert_eq!(book.positions(&receipts(&held)), []);
        assert_eq!(book.held(), [place(3)]);
    }

    #[test]
    fn suspects_keep_to_themselves() {
        let mut book = Book::default();
        book.add(Company::Any, [taken(1, 1), taken(2, 2)], Instant::now());
        book.add(Company::Suspects, [taken(3, 3), taken(4, 4)], Instant::now());
        assert!(!book.may_take_suspects());
        let suspects = book.take(9);
        assert_eq!(positions(&suspects), [3, 4]);
        assert_eq!(positions(&book.take(9)), [1, 2]);
        book.settle(&receipts(&suspects)[..1]);
        assert!(!book.may_take_suspects());
        book.settle(&receipts(&suspects));
        assert!(book.may_take_suspects());
    }

    #[test]
    fn what_is_parked_is_no_suspect_and_stays_held() {
        let mut book = Book::default();
        let suspect = Taken {
            tries: 3,
            ..taken(1, 7)
        };
        book.add(Company::Suspects, [suspect], Instant::now());
        let held = book.take(9);
        let parked = book.park(&receipts(&held));
        assert_eq!(parked.iter().map(|entry| entry.tries).collect::<Vec<_>>(), [3]);
        assert!(book.may_take_suspects());
        assert_eq!(book.held(), [place(1)]);
        book.settle(&receipts(&held));
        assert_eq!(book.park(&receipts(&held)), []);
    }

    #[test]
    fn all_that_is_not_settled_is_taken() {
        let mut book = Book::default();
        book.add(Company::Any, (1..=3).map(|n| taken(n, n)), Instant::now());
        book.add(Company::Suspects, [taken(4, 4)], Instant::now());
        book.take(1);
        let held = book.take(2);
        book.settle(&receipts(&held)[..1]);
        let mut taken: Vec<Place> = book.take_all().iter().map(|entry| entry.place).collect();
        taken.sort_unstable_by_key(|place| place.id.ms);
        assert_eq!(taken, [place(2), place(3), place(4)]);
        assert_eq!((book.held(), book.take(9)), (Vec::new(), Vec::new()));
        assert!(book.may_take_suspects());
    }

    #[test]
    fn what_nobody_wants_is_given_back() {
        let mut book = Book::default();
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        book.add(Company::Any, [taken(1, 1)], now);
        book.add(Company::Any, [taken(2, 2)], later);
        book.add(Company::Suspects, [taken(3, 3)], now);
        let unwanted = book.take_unwanted(later, Duration::from_secs(2));
        let places: Vec<Place> = unwanted.iter().map(|entry| entry.place).collect();
        assert_eq!(places, [place(1), place(3)]);
        assert_eq!(positions(&book.take(9)), [2]);
    }
}

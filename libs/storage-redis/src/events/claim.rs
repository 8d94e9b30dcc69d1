//! Events of workers that are no longer there.
//!
//! An event that nobody has shown to be working on for a while is taken over. Its worker may have died of it, unless it gave
//! the event back or had put it aside to wait ([`RedisEventLog::park`](super::RedisEventLog)), which count as no try: with each
//! try the company gets smaller in which it is handed out, until it is alone, and only one such company is out in a
//! process at a time. So an event that ends processes takes no innocent ones with it for long, and one that was merely
//! there when a process was killed is not suspected. What has failed too often is set aside.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use ahash::AHashMap;
use fred::error::Error;
use parking_lot::Mutex;

use super::aside::{Aside, AsideReason};
use super::book::{Company, Place};
use super::entry::{Entry, EntryId};
use super::intake::{Found, Intake, is_groupless};
use super::streams::Pending;

/// How many idle entries of a partition one look shows, at most.
const LOOKED_AT: usize = 1_000;

/// Whose turn it is to look for events to take over: one at a time, and not all the time.
#[derive(Default)]
pub(super) struct Turn {
    is_taken: AtomicBool,
    last: Mutex<Option<Instant>>,
}

impl Turn {
    fn take(&self, pause: Duration) -> bool {
        let rested = |last: &Mutex<Option<Instant>>| last.lock().is_none_or(|last| last.elapsed() >= pause);
        rested(&self.last) && !self.is_taken.swap(true, Ordering::AcqRel)
    }

    pub(super) fn is_taken(&self) -> bool {
        self.is_taken.load(Ordering::Acquire)
    }

    fn end(&self, is_due_again: bool) {
        *self.last.lock() = (!is_due_again).then(Instant::now);
        self.is_taken.store(false, Ordering::Release);
    }
}

/// An idle entry and where it is.
#[derive(Debug, Clone, Copy)]
struct Idle {
    partition: u32,
    pending: Pending,
}

impl Idle {
    fn place(&self) -> Place {
        Place {
            partition: self.partition,
            id: self.pending.id,
        }
    }
}

/// What to do with idle entries.
#[derive(Debug, Default)]
struct Sorted {
    /// Failed once: most likely for no fault of theirs.
    innocent: Vec<Idle>,
    /// Failed repeatedly.
    suspect: Vec<Idle>,
    /// Failed too often.
    poison: Vec<Idle>,
}

fn sort(idle: Vec<Idle>, max_tries: u64) -> Sorted {
    let mut sorted = Sorted::default();
    for idle in idle {
        let of = match idle.pending.tries {
            tries if tries >= max_tries => &mut sorted.poison,
            0 | 1 => &mut sorted.innocent,
            _ => &mut sorted.suspect,
        };
        of.push(idle);
    }
    sorted
}

/// The suspects that are handed out next: those with the fewest tries, as many as may be in one company.
fn next_company(mut suspect: Vec<Idle>, max: usize) -> Vec<Idle> {
    let Some(tries) = suspect.iter().map(|idle| idle.pending.tries).min() else {
        return suspect;
    };
    suspect.retain(|idle| idle.pending.tries == tries);
    let size = match tries {
        2 => max / 8,
        3 => max / 64,
        _ => 1,
    };
    suspect.truncate(size.max(1));
    suspect
}

impl Intake {
    /// Looks for events to take over, if it is time.
    pub(super) fn start_claim(self: &Arc<Self>, max: usize) {
        if self.claims.take(self.settings.look_every()) {
            let intake = Arc::clone(self);
            tokio::spawn(async move {
                let claim = intake.claim(max);
                let claimed = intake.closed.run_until_cancelled(claim).await;
                let outcome = claimed.unwrap_or(Ok(false));
                if let Err(error) = &outcome
                    && !is_groupless(error)
                {
                    tracing::debug!(%error, "nothing could be taken over");
                }
                intake.claims.end(outcome.unwrap_or(false));
                intake.announce();
            });
        }
    }

    /// Takes over at most `max` events; answers whether there may be more.
    async fn claim(&self, max: usize) -> Result<bool, Error> {
        // First what is worked on here: it is idle if this process has been stopped for a while.
        self.keep_once().await?;
        let idle = self.streams.idle(self.settings.claim_after, LOOKED_AT).await?;
        let idle = idle
            .into_iter()
            .flat_map(|(partition, pending)| pending.into_iter().map(move |pending| Idle { partition, pending }));
        let mut sorted = sort(idle.collect(), self.settings.max_tries);
        let is_more = sorted.innocent.len() > max;
        sorted.innocent.truncate(max);
        self.take_over(sorted.innocent, Company::Any).await?;
        self.set_poison_aside(sorted.poison).await?;
        if self.book.lock().may_take_suspects() {
            let company = next_company(sorted.suspect, max);
            self.take_over(company, Company::Suspects).await?;
        }
        Ok(is_more)
    }

    async fn take_over(&self, idle: Vec<Idle>, company: Company) -> Result<(), Error> {
        let tries: AHashMap<Place, u64> = idle.iter().map(|idle| (idle.place(), idle.pending.tries)).collect();
        let mut found = Found::new();
        let outcome = self.claim_all(idle, &mut found).await;
        let count: usize = found.iter().map(|(_, entries)| entries.len()).sum();
        self.counters.claimed.inc_by(count as u64);
        let tries = |place: Place| tries.get(&place).copied().unwrap_or_default();
        self.accept(found, company, tries).await;
        outcome
    }

    async fn claim_all(&self, idle: Vec<Idle>, found: &mut Found) -> Result<(), Error> {
        for (partition, ids) in by_partition(idle) {
            let claimed = self.streams.claim(partition, &ids, self.settings.claim_after).await?;
            found.push((partition, claimed));
        }
        Ok(())
    }

    async fn set_poison_aside(&self, poison: Vec<Idle>) -> Result<(), Error> {
        let mut found = Found::new();
        let outcome = self.claim_all(poison, &mut found).await;
        for (partition, entries) in found {
            let aside = entries.into_iter().map(|Entry { id, fields }| Aside {
                place: Place { partition, id },
                reason: AsideReason::Poison,
                tries: self.settings.max_tries,
                fields,
            });
            self.set_aside(aside.collect()).await?;
        }
        outcome
    }
}

fn by_partition(idle: Vec<Idle>) -> BTreeMap<u32, Vec<EntryId>> {
    let mut by_partition: BTreeMap<u32, Vec<EntryId>> = BTreeMap::new();
    for Idle { partition, pending } in idle {
        by_partition.entry(partition).or_default().push(pending.id);
    }
    by_partition
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idle(n: u64, tries: u64) -> Idle {
        Idle {
            partition: 0,
            pending: Pending {
                id: EntryId { ms: n, seq: 0 },
                tries,
            },
        }
    }

    fn numbers(idle: &[Idle]) -> Vec<u64> {
        idle.iter().map(|idle| idle.pending.id.ms).collect()
    }

    #[test]
    fn whoever_failed_once_is_innocent() {
        let tries = [0, 1, 2, 9, 10, 11];
        let sorted = sort((0..).zip(tries).map(|(n, tries)| idle(n, tries)).collect(), 10);
        assert_eq!(numbers(&sorted.innocent), [0, 1]);
        assert_eq!(numbers(&sorted.suspect), [2, 3]);
        assert_eq!(numbers(&sorted.poison), [4, 5]);
    }

    #[test]
    fn the_company_of_suspects_gets_smaller_until_they_are_alone() {
        let many = |tries| (0..1_000).map(|n| idle(n, tries)).collect::<Vec<_>>();
        assert_eq!(next_company(many(2), 640).len(), 80);
        assert_eq!(next_company(many(3), 640).len(), 10);
        assert_eq!(next_company(many(4), 640).len(), 1);
        assert_eq!(next_company(many(2), 1).len(), 1);
        assert_eq!(
            numbers(&next_company(vec![idle(1, 5), idle(2, 3), idle(3, 4)], 640)),
            [2]
        );
        assert!(next_company(Vec::new(), 640).is_empty());
    }

    #[test]
    fn one_at_a_time_looks_and_not_all_the_time() {
        let turn = Turn::default();
        let pause = Duration::from_mins(1);
        assert!(turn.take(pause));
        assert!(!turn.take(Duration::ZERO));
        turn.end(true);
        assert!(turn.take(pause));
        turn.end(false);
        assert!(!turn.take(pause) && turn.take(Duration::ZERO));
    }
}

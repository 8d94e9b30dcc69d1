//! Keeps timelines within their memory, and forgets those that nobody reads.

use std::sync::Arc;

use super::MemoryTimelines;
use super::pages::Page;
use super::slot::{Footprint, Slot};

/// Pages whose timelines are compared with each other: up to 2,048 timelines stand for all.
const SAMPLE: usize = 8;

/// Of a sample this share goes, the least recently read first.
const EVICTED_SHARE: usize = 8;

/// An eviction goes on until this share of the bound is free, so that the next one is some time off.
const HEADROOM_SHARE: i64 = 32;

/// A timeline that may go.
struct Candidate {
    last_read_s: u32,
    page: usize,
    place: usize,
}

impl MemoryTimelines {
    /// Forgets timelines that were last read before `before_unix_ms`; answers how many. To be called now and then.
    pub fn evict_idle(&self, before_unix_ms: u64) -> u64 {
        let before_s = super::seconds(before_unix_ms);
        let mut evicted = 0;
        for page in self.pages.sample(0, self.pages.len()) {
            let idle = |slot: &Slot| slot.exists() && slot.last_read_s() < before_s;
            let freed: Footprint =
                page.with_slots(|slots| slots.iter_mut().filter(|slot| idle(slot)).map(forget).sum());
            evicted += freed.timelines.unsigned_abs();
            self.totals.add(freed);
        }
        evicted
    }

    /// Forgets the least recently read timelines while all together take more than they may. Holds no more than one
    /// page's lock at a time; one caller at a time does it for all.
    pub(super) fn evict_beyond_bound(&self) {
        if self.totals.bytes() <= self.memory_bytes {
            return;
        }
        let Some(mut hand) = self.eviction_hand.try_lock() else {
            return;
        };
        let aim = self.memory_bytes - self.memory_bytes / HEADROOM_SHARE;
        let mut in_vain = 0;
        while self.totals.bytes() > aim && in_vain < self.pages.len() {
            let pages = self.pages.sample(*hand, SAMPLE);
            *hand = hand.wrapping_add(pages.len());
            if self.evict_from(&pages, aim) {
                in_vain = 0;
            } else {
                in_vain += pages.len();
            }
        }
    }

    /// Answers whether there was anything to evict.
    fn evict_from(&self, pages: &[Arc<Page>], aim: i64) -> bool {
        let mut candidates = candidates(pages);
        candidates.sort_unstable_by_key(|candidate| candidate.last_read_s);
        candidates.truncate(candidates.len().div_ceil(EVICTED_SHARE));
        for candidate in &candidates {
            if self.totals.bytes() <= aim {
                break;
            }
            let unread = |slot: &&mut Slot| slot.last_read_s() == candidate.last_read_s;
            let freed = pages[candidate.page].with_slots(|slots| {
                slots
                    .get_mut(candidate.place)
                    .filter(unread)
                    .map(forget)
                    .unwrap_or_default()
            });
            self.totals.add(freed);
        }
        !candidates.is_empty()
    }
}

fn candidates(pages: &[Arc<Page>]) -> Vec<Candidate> {
    let mut found = Vec::new();
    for (page, slots) in pages.iter().enumerate() {
        slots.with_slots(|slots| {
            let existing = slots.iter().enumerate().filter(|(_, slot)| slot.exists());
            found.extend(existing.map(|(place, slot)| Candidate {
                last_read_s: slot.last_read_s(),
                page,
                place,
            }));
        });
    }
    found
}

/// Empties a slot; answers what that changed.
fn forget(slot: &mut Slot) -> Footprint {
    let freed = Footprint::default() - slot.footprint();
    *slot = Slot::default();
    freed
}

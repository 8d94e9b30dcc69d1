//! One user's place: no timeline, one that is being built, a built one, or a built one that is being replaced.

use std::iter::Sum;
use std::ops::{AddAssign, Sub};

use model::{ActorVersion, BuildId, Coverage, TweetId};
use storage::{Built, TimelineSlice};

use super::entries::Entries;

/// A build under way: what has been pushed since it began. Kept apart from what the user still reads, because the
/// install must drop what the old timeline holds wrongly.
#[derive(Debug)]
struct Building {
    build: BuildId,
    pushed: Entries,
}

/// One cache line a user, and never parts of two.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Slot {
    entries: Entries,
    holds: ActorVersion,
    building: Option<Box<Building>>,
    last_read_s: u32,
    built: bool,
}

/// What something takes, or what a change made of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Footprint {
    pub(super) timelines: i64,
    pub(super) entries: i64,
    pub(super) bytes: i64,
}

impl Slot {
    /// Whether pushes have somewhere to go.
    pub(super) fn exists(&self) -> bool {
        self.built || self.building.is_some()
    }

    /// Whether there is a timeline to be read.
    pub(super) const fn is_built(&self) -> bool {
        self.built
    }

    pub(super) fn last_read_s(&self) -> u32 {
        self.last_read_s
    }

    /// Whether a push leaves its footprint as it is: the common case.
    #[inline]
    pub(super) fn is_steady(&self, window: usize) -> bool {
        self.building.is_none() && self.entries.len() == window
    }

    /// Writes ids, oldest first; answers whether there is a timeline.
    #[inline]
    pub(super) fn push(&mut self, ids: &[TweetId], window: usize) -> bool {
        if self.built {
            self.entries.insert_all(ids, window);
        }
        if let Some(building) = &mut self.building {
            building.pushed.insert_all(ids, window);
        }
        self.exists()
    }

    pub(super) fn read(&mut self, below: TweetId, limit: usize, now_s: u32) -> Option<TimelineSlice> {
        let slice = self.look(below, limit)?;
        self.last_read_s = now_s;
        Some(slice)
    }

    /// As [`Slot::read`], and does not count as one.
    pub(super) fn look(&self, below: TweetId, limit: usize) -> Option<TimelineSlice> {
        if !self.built {
            return None;
        }
        let (ids, more) = self.entries.newest_below(below, limit);
        let coverage = Coverage {
            complete_from: self.entries.complete_from(),
            holds: self.holds,
        };
        Some(TimelineSlice { ids, more, coverage })
    }

    /// Takes the place of a build that was under way.
    pub(super) fn begin_build(&mut self, build: BuildId, now_s: u32) {
        self.last_read_s = now_s;
        self.building = Some(Box::new(Building {
            build,
            pushed: Entries::empty(TweetId::MIN),
        }));
    }

    pub(super) fn install(&mut self, build: BuildId, built: Built, window: usize) -> bool {
        let Some(building) = self.building.take_if(|building| building.build == build) else {
            return false;
        };
        let found = built.ids.into_iter().map(TweetId::get);
        let complete_from = built.coverage.complete_from.max(building.pushed.complete_from());
        self.entries = Entries::from_unsorted(found.chain(building.pushed.iter()).collect(), complete_from, window);
        self.holds = built.coverage.holds;
        self.built = true;
        true
    }

    /// Moves the mark and nothing else, as no rule allows.
    pub(super) fn spoil_mark(&mut self, complete_from: TweetId) {
        self.entries.spoil_mark(complete_from);
    }

    pub(super) fn backfill(
        &mut self,
        ids: &[TweetId],
        gathered_for: Coverage,
        holds: ActorVersion,
        window: usize,
    ) -> bool {
        let reaches_further_down = self.entries.complete_from() < gathered_for.complete_from;
        if !self.built || self.holds != gathered_for.holds || reaches_further_down {
            return false;
        }
        self.entries.merge(ids, window);
        self.holds = holds;
        true
    }

    #[inline]
    pub(super) fn footprint(&self) -> Footprint {
        let (mut entries, mut bytes) = (self.entries.len(), self.entries.allocated_bytes());
        if let Some(building) = &self.building {
            entries += building.pushed.len();
            bytes += size_of::<Building>() + building.pushed.allocated_bytes();
        }
        Footprint {
            timelines: i64::from(self.exists()),
            entries: signed(entries),
            bytes: signed(bytes),
        }
    }
}

/// Sizes of what is in memory are far below 2^63.
pub(super) fn signed(size: usize) -> i64 {
    i64::try_from(size).unwrap_or(i64::MAX)
}

impl AddAssign for Footprint {
    fn add_assign(&mut self, other: Self) {
        self.timelines += other.timelines;
        self.entries += other.entries;
        self.bytes += other.bytes;
    }
}

impl Sub for Footprint {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            timelines: self.timelines - other.timelines,
            entries: self.entries - other.entries,
            bytes: self.bytes - other.bytes,
        }
    }
}

impl Sum for Footprint {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |mut sum, one| {
            sum += one;
            sum
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_one_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}

//! The entries of one timeline: a sorted ring of ids that ends in a mark.

use std::collections::VecDeque;

use model::TweetId;

/// The smallest room that a timeline with entries gets.
const FIRST_CAPACITY: usize = 8;

/// Ascending ids, none twice, at most `window` of them, complete down to a mark.
///
/// A ring, because nearly every id belongs at the tail: once the window is full, an append overwrites the oldest id in
/// the same cache line and moves nothing. It grows by halves up to exactly the window, so a full timeline has no slack.
#[derive(Debug, Default)]
pub(super) struct Entries {
    ids: VecDeque<u64>,
    complete_from: u64,
}

impl Entries {
    /// No entries, complete from `complete_from` on.
    pub(super) const fn empty(complete_from: TweetId) -> Self {
        Self {
            ids: VecDeque::new(),
            complete_from: complete_from.get(),
        }
    }

    /// The newest `window` of `ids`, which may come in any order.
    pub(super) fn from_unsorted(mut ids: Vec<u64>, complete_from: TweetId, window: usize) -> Self {
        let mut entries = Self::empty(complete_from);
        ids.retain(|id| *id >= entries.complete_from);
        ids.sort_unstable();
        ids.dedup();
        let cut = ids.len().saturating_sub(window);
        if let Some(newest_cut) = cut.checked_sub(1) {
            entries.complete_from = ids[newest_cut] + 1;
        }
        let kept = &ids[cut..];
        entries.ids.reserve_exact(window.min(kept.len() + kept.len() / 4));
        entries.ids.extend(kept);
        entries
    }

    /// Puts ids, oldest first, where they belong.
    #[inline]
    pub(super) fn insert_all(&mut self, ids: &[TweetId], window: usize) {
        for id in ids {
            self.insert(id.get(), window);
        }
    }

    /// Puts an id where it belongs. One that is there already or lies below the mark changes nothing; beyond the window
    /// the oldest goes and the mark rises.
    #[inline]
    fn insert(&mut self, id: u64, window: usize) {
        match self.ids.back() {
            Some(newest) if *newest < id => {
                self.make_room(window);
                self.ids.push_back(id);
            }
            _ => self.insert_late(id, window),
        }
    }

    /// Merges ids in any order.
    pub(super) fn merge(&mut self, ids: &[TweetId], window: usize) {
        let all = self.ids.iter().copied().chain(ids.iter().map(|id| id.get())).collect();
        *self = Self::from_unsorted(all, self.complete_from(), window);
    }

    /// The newest ids below `below`, newest first, at most `limit`, and whether there are more below them.
    pub(super) fn newest_below(&self, below: TweetId, limit: usize) -> (Vec<TweetId>, bool) {
        let below = below.get();
        let end = match self.ids.back() {
            Some(newest) if *newest >= below => self.ids.partition_point(|id| *id < below),
            _ => self.ids.len(),
        };
        let start = end.saturating_sub(limit);
        let page = self.ids.range(start..end).rev().map(|id| TweetId::new(*id)).collect();
        (page, start > 0)
    }

    /// Moves the mark and leaves the ids as they are.
    pub(super) const fn spoil_mark(&mut self, complete_from: TweetId) {
        self.complete_from = complete_from.get();
    }

    pub(super) const fn complete_from(&self) -> TweetId {
        TweetId::new(self.complete_from)
    }

    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// What the ids take, the allocator's rounding included.
    pub(super) fn allocated_bytes(&self) -> usize {
        size_class(self.ids.capacity() * size_of::<u64>())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.ids.iter().copied()
    }

    /// The first of all, a late arrival, a repetition, or one below the mark.
    #[cold]
    fn insert_late(&mut self, id: u64, window: usize) {
        if id < self.complete_from {
            return;
        }
        let Err(at) = self.ids.binary_search(&id) else { return };
        let full = self.ids.len() >= window;
        if full && at == 0 {
            self.complete_from = id + 1;
            return;
        }
        self.make_room(window);
        self.ids.insert(at - usize::from(full), id);
    }

    #[inline]
    fn make_room(&mut self, window: usize) {
        let len = self.ids.len();
        if len >= window {
            if let Some(oldest) = self.ids.pop_front() {
                self.complete_from = oldest + 1;
            }
        } else if len == self.ids.capacity() {
            let grown = (len + len / 2).max(FIRST_CAPACITY).min(window);
            self.ids.reserve_exact(grown - len);
        }
    }
}

/// The size that an allocator hands out for `bytes`: common ones have four classes between two powers of two.
fn size_class(bytes: usize) -> usize {
    const SMALLEST: usize = 16;
    if bytes == 0 {
        return 0;
    }
    let step = (1 << bytes.max(SMALLEST).ilog2()) / 4;
    bytes.max(SMALLEST).next_multiple_of(step)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn ids(entries: &Entries) -> Vec<u64> {
        entries.iter().collect()
    }

    fn filled(range: std::ops::RangeInclusive<u64>, window: usize) -> Entries {
        let mut entries = Entries::empty(TweetId::MIN);
        range.for_each(|id| entries.insert(id, window));
        entries
    }

    #[test]
    fn a_full_ring_has_no_slack_and_its_mark_follows_the_oldest() {
        let entries = filled(1..=2_000, 800);
        assert_eq!((entries.len(), entries.complete_from().get()), (800, 1_201));
        assert_eq!(entries.ids.capacity(), 800);
    }

    #[test]
    fn a_late_arrival_goes_where_it_belongs() {
        let mut entries = filled(1..=3, 3);
        entries.insert(10, 3);
        entries.insert(5, 3);
        assert_eq!((ids(&entries), entries.complete_from().get()), (vec![3, 5, 10], 3));
        entries.insert(2, 3);
        assert_eq!(ids(&entries), [3, 5, 10], "below the mark");
    }

    #[test]
    fn the_oldest_of_a_full_timeline_is_trimmed_at_once() {
        let mut entries = Entries::from_unsorted(vec![10, 20], TweetId::MIN, 2);
        entries.insert(5, 2);
        assert_eq!((ids(&entries), entries.complete_from().get()), (vec![10, 20], 6));
    }

    #[test]
    fn size_classes_round_up_by_a_quarter_at_most() {
        assert_eq!(
            [0, 1, 64, 65, 6_400, 8_192].map(size_class),
            [0, 16, 64, 80, 7_168, 8_192]
        );
    }

    proptest! {
        #[test]
        fn it_is_the_newest_of_a_set(
            given in prop::collection::vec(1_u64..200, 0..120), window in 1_usize..12, merged in 0_usize..120,
        ) {
            let (first, second) = given.split_at(merged.min(given.len()));
            let mut entries = Entries::empty(TweetId::MIN);
            for id in first {
                entries.insert(*id, window);
            }
            entries.merge(&second.iter().map(|id| TweetId::new(*id)).collect::<Vec<_>>(), window);
            let all: BTreeSet<u64> = given.iter().copied().collect();
            let newest: Vec<u64> = all.iter().copied().rev().take(window).rev().collect();
            prop_assert_eq!(ids(&entries), newest);
            let complete: Vec<u64> = all.into_iter().filter(|id| *id >= entries.complete_from).collect();
            prop_assert_eq!(ids(&entries), complete, "everything from the mark on is there");
        }
    }
}

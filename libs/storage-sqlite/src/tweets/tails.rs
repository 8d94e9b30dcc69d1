//! Each author's newest tweets, in memory: what a page at the top of a timeline is made of.
//!
//! A tail holds an author's newest ids and how far down they are complete. The writer keeps tails true after each commit;
//! readers fill in missing ones from the table. What a reader has read may be out of date by the time that it brings it
//! here, so a shard counts its changes, and a tail is taken only if nothing has changed since the reader began.
//!
//! There is no lock that all readers share, and the number of authors is bounded: the clock hand of a shard lets go of a
//! tail that nobody has read since the hand's last round.

use std::sync::atomic::{AtomicBool, Ordering};

use ahash::{HashMap, RandomState};
use model::{TweetId, UserId};
use parking_lot::RwLock;

/// How many ids a tail is filled with.
pub(super) const TAIL_LENGTH: usize = 64;

/// A tail grows by this much before it is cut back, so that it is not moved with each post.
const SLACK: usize = 32;

const SHARDS: usize = 1_024;

/// In all shards together about half a million, at most 0.5 GB if every one of them were full.
const TAILS_PER_SHARD: usize = 512;

/// An author's newest tweets.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// Oldest first, so that a new one goes to the end.
    ids: Vec<TweetId>,
    /// Every visible tweet at or above it is among the ids.
    complete_from: TweetId,
}

impl Tail {
    /// Of what was read from the table, newest first; `complete` if there is nothing below.
    pub(super) fn new(mut newest_first: Vec<TweetId>, complete: bool) -> Self {
        newest_first.reverse();
        let complete_from = match newest_first.first() {
            Some(&oldest) if !complete => oldest,
            _ => TweetId::MIN,
        };
        Self {
            ids: newest_first,
            complete_from,
        }
    }

    /// Down to where nothing is missing.
    pub(super) const fn complete_from(&self) -> TweetId {
        self.complete_from
    }

    /// The ids from `from` up to, not including, `until`, newest first.
    pub(super) fn range(&self, from: TweetId, until: TweetId) -> impl Iterator<Item = TweetId> + '_ {
        let end = self.ids.partition_point(|id| *id < until);
        self.ids[..end].iter().rev().copied().take_while(move |id| *id >= from)
    }

    fn push(&mut self, id: TweetId) {
        // A reader that has seen the commit before this effect of it has brought the id already.
        if self.ids.last().is_none_or(|newest| *newest < id) {
            self.ids.push(id);
        }
        if self.ids.len() > TAIL_LENGTH + SLACK {
            self.ids.drain(..SLACK);
            self.complete_from = self.ids[0];
        }
    }

    fn remove(&mut self, id: TweetId) {
        if let Ok(at) = self.ids.binary_search(&id) {
            self.ids.remove(at);
        }
    }
}

/// The state of a shard when a reader began: see [`Tails::fill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Changes(u64);

struct Entry {
    author: UserId,
    tail: Tail,
    was_read: AtomicBool,
}

#[derive(Default)]
struct Shard {
    index: HashMap<UserId, usize>,
    entries: Vec<Entry>,
    hand: usize,
    changes: u64,
}

impl Shard {
    fn tail_mut(&mut self, author: UserId) -> Option<&mut Tail> {
        let at = *self.index.get(&author)?;
        Some(&mut self.entries[at].tail)
    }

    fn put(&mut self, author: UserId, tail: Tail) {
        if let Some(present) = self.tail_mut(author) {
            *present = tail;
            return;
        }
        let entry = Entry {
            author,
            tail,
            was_read: AtomicBool::new(false),
        };
        if self.entries.len() < TAILS_PER_SHARD {
            self.index.insert(author, self.entries.len());
            self.entries.push(entry);
            return;
        }
        let victim = self.victim();
        self.index.remove(&self.entries[victim].author);
        self.index.insert(author, victim);
        self.entries[victim] = entry;
    }

    fn victim(&mut self) -> usize {
        loop {
            let at = self.hand;
            self.hand = (at + 1) % self.entries.len();
            if !std::mem::take(self.entries[at].was_read.get_mut()) {
                return at;
            }
        }
    }
}

/// The tails.
pub(super) struct Tails {
    shards: Box<[RwLock<Shard>]>,
    hasher: RandomState,
}

impl Tails {
    pub(super) fn new() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
            hasher: RandomState::new(),
        }
    }

    /// Looks at an author's tail, if there is one.
    pub(super) fn look<T>(&self, author: UserId, look: impl FnOnce(&Tail) -> T) -> Option<T> {
        let shard = self.shard(author).read();
        let entry = &shard.entries[*shard.index.get(&author)?];
        if !entry.was_read.load(Ordering::Relaxed) {
            entry.was_read.store(true, Ordering::Relaxed);
        }
        Some(look(&entry.tail))
    }

    /// To be asked before a tail is read from the table.
    pub(super) fn changes(&self, author: UserId) -> Changes {
        Changes(self.shard(author).read().changes)
    }

    /// Takes a tail that was read after `since`, unless something may have changed meanwhile.
    pub(super) fn fill(&self, author: UserId, tail: Tail, since: Changes) {
        let mut shard = self.shard(author).write();
        if Changes(shard.changes) == since {
            shard.put(author, tail);
        }
    }

    /// A post was committed. The first of an author makes a tail that is complete without reading.
    pub(super) fn posted(&self, author: UserId, id: TweetId, first: bool) {
        let mut shard = self.shard(author).write();
        shard.changes += 1;
        match shard.tail_mut(author) {
            Some(tail) => tail.push(id),
            None if first => shard.put(author, Tail::new(vec![id], true)),
            None => {}
        }
    }

    /// A deletion was committed.
    pub(super) fn deleted(&self, author: UserId, id: TweetId) {
        let mut shard = self.shard(author).write();
        shard.changes += 1;
        if let Some(tail) = shard.tail_mut(author) {
            tail.remove(id);
        }
    }

    fn shard(&self, author: UserId) -> &RwLock<Shard> {
        let hash = self.hasher.hash_one(author);
        // The upper bits: the shard's own map goes by the lower ones.
        let at = usize::try_from(hash >> 48).expect("16 bits fit") % SHARDS;
        &self.shards[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUTHOR: UserId = UserId::new(7);

    fn id(n: u64) -> TweetId {
        TweetId::new(n)
    }

    fn ids(tails: &Tails) -> Option<Vec<u64>> {
        tails.look(AUTHOR, |tail| {
            tail.range(TweetId::MIN, TweetId::MAX).map(TweetId::get).collect()
        })
    }

    #[test]
    fn a_tail_follows_posts_and_deletes() {
        let tails = Tails::new();
        tails.posted(AUTHOR, id(5), false);
        assert_eq!(ids(&tails), None, "what came before is not known");
        tails.fill(AUTHOR, Tail::new(vec![id(5), id(3)], false), tails.changes(AUTHOR));
        tails.posted(AUTHOR, id(8), false);
        tails.deleted(AUTHOR, id(5));
        assert_eq!(ids(&tails), Some(vec![8, 3]));
        assert_eq!(tails.look(AUTHOR, Tail::complete_from), Some(id(3)));
    }

    #[test]
    fn a_first_post_is_a_complete_tail() {
        let tails = Tails::new();
        tails.posted(AUTHOR, id(5), true);
        assert_eq!(ids(&tails), Some(vec![5]));
        assert_eq!(tails.look(AUTHOR, Tail::complete_from), Some(TweetId::MIN));
    }

    #[test]
    fn what_was_read_before_a_change_is_not_taken() {
        let tails = Tails::new();
        let since = tails.changes(AUTHOR);
        tails.deleted(AUTHOR, id(3));
        tails.fill(AUTHOR, Tail::new(vec![id(3)], true), since);
        assert_eq!(ids(&tails), None);
    }

    #[test]
    fn a_post_that_the_reader_has_seen_already_is_not_doubled() {
        let tails = Tails::new();
        tails.fill(AUTHOR, Tail::new(vec![id(5)], true), tails.changes(AUTHOR));
        tails.posted(AUTHOR, id(5), false);
        assert_eq!(ids(&tails), Some(vec![5]));
    }

    #[test]
    fn a_long_tail_is_cut_and_says_so() {
        let tails = Tails::new();
        tails.posted(AUTHOR, id(1), true);
        (2..=200).for_each(|n| tails.posted(AUTHOR, id(n), false));
        let kept = ids(&tails).unwrap();
        assert!((TAIL_LENGTH..=TAIL_LENGTH + SLACK).contains(&kept.len()));
        assert_eq!(tails.look(AUTHOR, Tail::complete_from), Some(id(*kept.last().unwrap())));
    }

    #[test]
    fn the_number_of_tails_is_bounded_and_the_read_ones_stay() {
        let mut shard = Shard::default();
        for n in 0..2 * TAILS_PER_SHARD as u64 {
            shard.put(UserId::new(n), Tail::new(vec![id(n)], true));
            shard.entries[0].was_read.store(true, Ordering::Relaxed);
        }
        assert_eq!(
            (shard.entries.len(), shard.index.len()),
            (TAILS_PER_SHARD, TAILS_PER_SHARD)
        );
        assert!(
            shard
                .index
                .iter()
                .all(|(author, at)| shard.entries[*at].author == *author)
        );
        assert!(shard.index.contains_key(&UserId::new(0)));
    }
}

//! Parts of the graph, by account, kept until something that they show changes.

use std::sync::Arc;

use model::{ReaderView, UserId};
use parking_lot::Mutex;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use storage::FollowerPage;

use crate::metrics::Lookups;

const SHARDS: usize = 256;

/// How much room a part takes, in ids: some 8 to 16 bytes each.
pub trait Weigh {
    /// The weight, at least 1.
    fn weight(&self) -> u64;
}

impl Weigh for ReaderView {
    fn weight(&self) -> u64 {
        (self.followees.len() + self.muted.len() + self.blocked.len() + 8) as u64
    }
}

impl Weigh for FollowerPage {
    fn weight(&self) -> u64 {
        (self.followers.len() + 8) as u64
    }
}

#[derive(Clone)]
struct ByWeight;

impl<V: Weigh> Weighter<UserId, Arc<V>> for ByWeight {
    fn weight(&self, _: &UserId, value: &Arc<V>) -> u64 {
        value.weight()
    }
}

/// A bounded cache. What was loaded while it was changed is not kept.
pub struct Kept<V> {
    cache: Cache<UserId, Arc<V>, ByWeight>,
    /// Changes so far, by shard of accounts. Hits don't look at them.
    changes: Vec<Mutex<u64>>,
    lookups: Lookups,
}

impl<V: Weigh> Kept<V> {
    /// For some `items`, of `weight` altogether.
    pub fn new(items: usize, weight: u64, lookups: Lookups) -> Self {
        Self {
            cache: Cache::with_weighter(items, weight, ByWeight),
            changes: (0..SHARDS).map(|_| Mutex::default()).collect(),
            lookups,
        }
    }

    /// What is kept of an account, if that will do.
    pub fn get(&self, of: UserId, will_do: impl FnOnce(&V) -> bool) -> Option<Arc<V>> {
        let found = self.cache.get(&of).filter(|value| will_do(value));
        self.lookups.count(found.is_some());
        found
    }

    /// To be taken before a part is loaded, and handed to [`Kept::keep`].
    pub fn before_load(&self, of: UserId) -> u64 {
        *self.changes_of(of).lock()
    }

    /// Keeps a part, unless something has changed since before it was loaded.
    pub fn keep(&self, of: UserId, value: &Arc<V>, before_load: u64) {
        let changes = self.changes_of(of).lock();
        if *changes == before_load {
            self.cache.insert(of, Arc::clone(value));
        }
    }

    /// Something that this account's part shows has been committed.
    pub fn changed(&self, of: UserId) {
        let mut changes = self.changes_of(of).lock();
        *changes += 1;
        self.cache.remove(&of);
    }

    /// Anything may have changed.
    pub fn all_changed(&self) {
        let mut all: Vec<_> = self.changes.iter().map(Mutex::lock).collect();
        for changes in &mut all {
            **changes += 1;
        }
        self.cache.clear();
    }

    fn changes_of(&self, of: UserId) -> &Mutex<u64> {
        let shard = usize::try_from(of.get() % SHARDS as u64).unwrap_or_default();
        &self.changes[shard]
    }
}

#[cfg(test)]
mod tests {
    use model::ActorVersion;

    use super::*;

    #[test]
    fn what_was_loaded_during_a_change_is_not_kept() {
        let views = Kept::new(10, 1_000, Lookups::default());
        let reader = UserId::new(1);
        let view = Arc::new(ReaderView {
            reader,
            version: ActorVersion(0),
            followees: vec![],
            muted: vec![],
            blocked: vec![],
        });
        let before = views.before_load(reader);
        views.changed(reader);
        views.keep(reader, &view, before);
        assert!(views.get(reader, |_| true).is_none());
        views.keep(reader, &view, views.before_load(reader));
        assert!(views.get(reader, |_| true).is_some());
        assert!(views.get(reader, |_| false).is_none());
        views.all_changed();
        assert!(views.get(reader, |_| true).is_none());
        assert_eq!(views.lookups.so_far(), (1, 3));
    }
}

//! Reader views, kept until something that they show changes.

use std::sync::Arc;

use model::{ReaderView, UserId};
use parking_lot::Mutex;
use quick_cache::sync::Cache;

const SHARDS: usize = 256;

/// A bounded cache of views. A view that was loaded while it was changed is not kept.
pub(super) struct Views {
    cache: Cache<UserId, Arc<ReaderView>>,
    /// Changes so far, by shard of accounts. Hits don't look at them.
    changes: Vec<Mutex<u64>>,
}

impl Views {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            cache: Cache::new(capacity),
            changes: (0..SHARDS).map(|_| Mutex::default()).collect(),
        }
    }

    pub(super) fn get(&self, reader: UserId) -> Option<Arc<ReaderView>> {
        self.cache.get(&reader)
    }

    /// To be taken before a view is loaded, and handed to [`Views::keep`].
    pub(super) fn before_load(&self, reader: UserId) -> u64 {
        *self.changes_of(reader).lock()
    }

    /// Keeps a view, unless something has changed since before it was loaded.
    pub(super) fn keep(&self, view: &Arc<ReaderView>, before_load: u64) {
        let changes = self.changes_of(view.reader).lock();
        if *changes == before_load {
            self.cache.insert(view.reader, Arc::clone(view));
        }
    }

    /// Something that this account's view shows has been committed.
    pub(super) fn changed(&self, reader: UserId) {
        let mut changes = self.changes_of(reader).lock();
        *changes += 1;
        self.cache.remove(&reader);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        let mut all: Vec<_> = self.changes.iter().map(Mutex::lock).collect();
        for changes in &mut all {
            **changes += 1;
        }
        self.cache.clear();
    }

    fn changes_of(&self, reader: UserId) -> &Mutex<u64> {
        let shard = usize::try_from(reader.get() % SHARDS as u64).unwrap_or_default();
        &self.changes[shard]
    }
}

#[cfg(test)]
mod tests {
    use model::ActorVersion;

    use super::*;

    #[test]
    fn a_view_that_was_loaded_during_a_change_is_not_kept() {
        let views = Views::new(10);
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
        views.keep(&view, before);
        assert!(views.get(reader).is_none());
        views.keep(&view, views.before_load(reader));
        assert!(views.get(reader).is_some());
        views.all_changed();
        assert!(views.get(reader).is_none());
    }
}

//! Reader views, kept until something that they show changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use model::{ReaderView, UserId};
use quick_cache::sync::Cache;

const SHARDS: usize = 256;

/// A bounded cache of views. A view that was loaded while it was changed is not kept.
pub(super) struct Views {
    cache: Cache<UserId, Arc<ReaderView>>,
    /// Changes so far, by shard of accounts.
    changes: Vec<AtomicU64>,
}

impl Views {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            cache: Cache::new(capacity),
            changes: (0..SHARDS).map(|_| AtomicU64::new(0)).collect(),
        }
    }

    pub(super) fn get(&self, reader: UserId) -> Option<Arc<ReaderView>> {
        self.cache.get(&reader)
    }

    /// To be taken before a view is loaded, and handed to [`Views::keep`].
    pub(super) fn before_load(&self, reader: UserId) -> u64 {
        self.changes_of(reader).load(Ordering::SeqCst)
    }

    /// Keeps a view, unless something has changed since before it was loaded. It looks after the insert: a change counts
    /// first and removes then, so that one of the two sees the other.
    pub(super) fn keep(&self, view: &Arc<ReaderView>, before_load: u64) {
        self.cache.insert(view.reader, Arc::clone(view));
        if self.before_load(view.reader) != before_load {
            self.cache.remove(&view.reader);
        }
    }

    /// Something that this account's view shows has been committed.
    pub(super) fn changed(&self, reader: UserId) {
        self.changes_of(reader).fetch_add(1, Ordering::SeqCst);
        self.cache.remove(&reader);
    }

    /// Anything may have changed.
    pub(super) fn all_changed(&self) {
        for changes in &self.changes {
            changes.fetch_add(1, Ordering::SeqCst);
        }
        self.cache.clear();
    }

    fn changes_of(&self, reader: UserId) -> &AtomicU64 {
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

//! Who has a timeline: some users at random, or all of them, page by page.

use model::UserId;
use storage::{WalkPage, WalkPlace};

use super::MemoryTimelines;

/// Pages that a sample looks at, beside one for each user that it is to find: some milliseconds.
const SAMPLED_PAGES: usize = 4_096;

impl MemoryTimelines {
    /// From a page at random on, in a circle; on the first from a user at random on.
    pub(super) fn sample_users(&self, limit: usize) -> Vec<UserId> {
        let start = rand::random_range(0..self.pages.len().max(1));
        let mut found = Vec::new();
        for page in self.pages.sample(start, limit.saturating_add(SAMPLED_PAGES)) {
            let mut users = page.built();
            if found.is_empty() && !users.is_empty() {
                let from = rand::random_range(0..users.len());
                users.rotate_left(from);
            }
            found.extend(users);
            if found.len() >= limit {
                break;
            }
        }
        found.truncate(limit);
        found
    }

    /// Pages stay where they are, and new ones come at the end: a place is a number of pages.
    pub(super) fn walk_users(&self, from: WalkPlace, limit: usize) -> WalkPage {
        let (start, end) = (usize::try_from(from.at).unwrap_or(usize::MAX), self.pages.len());
        let mut users = Vec::new();
        let mut at = start;
        while at < end && users.len() < limit.max(1) {
            users.extend(self.pages.sample(at, 1).iter().flat_map(|page| page.built()));
            at += 1;
        }
        let next = (at < end).then_some(WalkPlace { part: 0, at: at as u64 });
        WalkPage { users, next }
    }
}

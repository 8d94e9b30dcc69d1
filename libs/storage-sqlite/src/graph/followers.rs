//! Every author's followers, in memory.
//!
//! Fan-out asks for the followers of every tweet's author, so they are answered from here without touching `SQLite`. The
//! lists are read from the table when the store opens; afterwards the writer changes them straight after each commit and
//! before it answers.

mod list;

use std::path::Path;

use model::{ChunkPlan, UserId};
use parking_lot::RwLock;
use rusqlite::{Connection, OpenFlags};
use storage::{ChunksRequest, FollowerPage, FollowerPageRequest};

use list::FollowerList;

/// Enough that readers of one author rarely wait for a writer to another.
const SHARDS: usize = 256;

/// One list for each account, indexed by its number.
type Shard = RwLock<Vec<FollowerList>>;

/// Every author's followers.
pub(super) struct Followers {
    shards: Vec<Shard>,
}

impl Followers {
    /// Reads the table, in its own order. On a connection of its own, whose small cache goes with it: a scan needs none.
    pub(super) fn load(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        let lists = Self::empty();
        let mut statement =
            connection.prepare("SELECT followee, follower FROM followers ORDER BY followee, follower")?;
        let mut rows = statement.query(())?;
        let mut current = 0;
        let mut followers = Vec::new();
        while let Some(row) = rows.next()? {
            let followee = row.get(0)?;
            if followee != current {
                lists.install(current, &followers);
                followers.clear();
                current = followee;
            }
            followers.push(row.get(1)?);
        }
        lists.install(current, &followers);
        Ok(lists)
    }

    fn empty() -> Self {
        Self {
            shards: std::iter::repeat_with(Shard::default).take(SHARDS).collect(),
        }
    }

    fn install(&self, author: u32, followers: &[u32]) {
        if !followers.is_empty() {
            self.change(author, |list| *list = FollowerList::from_sorted(followers));
        }
    }

    /// Adds a follower.
    pub(super) fn insert(&self, author: UserId, follower: UserId) {
        self.change(stored(author), |list| list.insert(stored(follower)));
    }

    /// Takes a follower away.
    pub(super) fn remove(&self, author: UserId, follower: UserId) {
        self.change(stored(author), |list| list.remove(stored(follower)));
    }

    /// Some followers of an author.
    pub(super) fn page(&self, request: FollowerPageRequest) -> FollowerPage {
        let Ok(after) = request.after.map(|after| u32::try_from(after.get())).transpose() else {
            return FollowerPage::default();
        };
        self.with(request.author, |list| {
            let mut above = list.above(after);
            let page = above.by_ref().take(request.limit);
            FollowerPage {
                followers: page.map(|follower| UserId::new(follower.into())).collect(),
                more: above.next().is_some(),
            }
        })
    }

    /// An author's followers as they are now, cut into chunks, as far as was asked for.
    pub(super) fn chunks(&self, request: ChunksRequest) -> Vec<ChunkPlan> {
        let Ok(after) = request.after.map(|after| u32::try_from(after.get())).transpose() else {
            return Vec::new();
        };
        self.with(request.author, |list| {
            let plans = cut(list.above(after), request.after, request.size.max(1));
            plans.take(request.limit).collect()
        })
    }

    /// What `read` makes of an author's list; its default where there is none.
    fn with<T: Default>(&self, author: UserId, read: impl FnOnce(&FollowerList) -> T) -> T {
        let Ok(author) = u32::try_from(author.get()) else {
            return T::default();
        };
        let (shard, index) = place(author);
        self.shards[shard].read().get(index).map(read).unwrap_or_default()
    }

    fn change(&self, author: u32, change: impl FnOnce(&mut FollowerList)) {
        let (shard, index) = place(author);
        let mut lists = self.shards[shard].write();
        if lists.len() <= index {
            lists.resize_with(index + 1, FollowerList::default);
        }
        change(&mut lists[index]);
    }
}

fn place(author: u32) -> (usize, usize) {
    let author = author as usize;
    (author % SHARDS, author / SHARDS)
}

/// The number of an account that has a row.
fn stored(user: UserId) -> u32 {
    u32::try_from(user.get()).expect("accounts are numbered densely, and the store makes none beyond 32 bits")
}

/// All chunks but the last are full.
fn cut(
    mut followers: impl Iterator<Item = u32>,
    mut after: Option<UserId>,
    size: usize,
) -> impl Iterator<Item = ChunkPlan> {
    (0..).map_while(move |number| {
        let (expected, last) = followers
            .by_ref()
            .take(size)
            .fold((0, None), |(count, _), follower| (count + 1, Some(follower)));
        let last = UserId::new(last?.into());
        Some(ChunkPlan {
            number,
            after: after.replace(last),
            last,
            expected,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks_of(followers: u32, size: usize) -> Vec<(Option<u64>, u64, u64)> {
        let all: Vec<u32> = (1..=followers).collect();
        let plans: Vec<ChunkPlan> = cut(FollowerList::from_sorted(&all).above(None), None, size).collect();
        assert!(
            plans
                .iter()
                .map(|plan| plan.number)
                .eq(0..u32::try_from(plans.len()).unwrap())
        );
        let bounds = |plan: &ChunkPlan| (plan.after.map(UserId::get), plan.last.get(), plan.expected);
        plans.iter().map(bounds).collect()
    }

    #[test]
    fn chunks_are_full_but_for_the_last() {
        assert_eq!(chunks_of(0, 10), []);
        assert_eq!(chunks_of(10, 10), [(None, 10, 10)]);
        assert_eq!(chunks_of(11, 10), [(None, 10, 10), (Some(10), 11, 1)]);
        let many = chunks_of(10_000, 3_000);
        assert_eq!(many[1], (Some(3_000), 6_000, 3_000));
        assert_eq!(many[3], (Some(9_000), 10_000, 1_000));
        assert_eq!(chunks_of(10_000, 1).len(), 10_000);
    }

    #[test]
    fn an_unknown_author_has_no_followers() {
        let lists = Followers::empty();
        let ask = |author, after| {
            let (author, after) = (UserId::new(author), Some(UserId::new(after)));
            lists.page(FollowerPageRequest {
                author,
                after,
                limit: 10,
            })
        };
        assert_eq!(ask(9, 0), FollowerPage::default());
        assert_eq!(ask(u64::MAX, 0), FollowerPage::default());
        assert_eq!(ask(9, u64::MAX), FollowerPage::default());
    }
}

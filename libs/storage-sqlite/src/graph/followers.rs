//! Who follows whom, in memory: what fan-out asks for each tweet.
//!
//! A list is a sorted array of dense `u32` account numbers, four bytes an edge. Long lists are cut into blocks, so that a
//! follow moves at most [`BLOCK`] numbers whatever the length. Lists are sharded by author, a lock a shard.

use ahash::AHashMap;
use model::{ChunkPlan, UserId};
use parking_lot::RwLock;
use rusqlite::Connection;
use storage::{ChunksRequest, FollowerPage, FollowerPageRequest};

const SHARDS: usize = 64;

/// Numbers in a block, at most.
const BLOCK: usize = 2_048;

/// A sorted set of account numbers.
#[derive(Debug, Default)]
struct List {
    /// Sorted, none of them empty; the last of one lies below the first of the next.
    blocks: Vec<Vec<u32>>,
}

impl List {
    fn block_of(&self, number: u32) -> usize {
        let found = self
            .blocks
            .partition_point(|block| block.last().is_some_and(|last| *last < number));
        found.min(self.blocks.len().saturating_sub(1))
    }

    fn insert(&mut self, number: u32) {
        if self.blocks.is_empty() {
            self.blocks = vec![vec![number]];
            return;
        }
        let at = self.block_of(number);
        let block = &mut self.blocks[at];
        let Err(place) = block.binary_search(&number) else {
            return;
        };
        block.insert(place, number);
        if block.len() > BLOCK {
            let upper = block.split_off(BLOCK / 2);
            self.blocks.insert(at + 1, upper);
        }
    }

    fn remove(&mut self, number: u32) {
        if self.blocks.is_empty() {
            return;
        }
        let at = self.block_of(number);
        if let Ok(place) = self.blocks[at].binary_search(&number) {
            self.blocks[at].remove(place);
        }
        if self.blocks[at].is_empty() {
            self.blocks.remove(at);
        }
    }

    /// Appends a number above all that are there: how a list is loaded.
    fn push(&mut self, number: u32) {
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK => block.push(number),
            _ => self.blocks.push(vec![number]),
        }
    }

    fn above(&self, after: Option<u32>) -> impl Iterator<Item = u32> + '_ {
        let first = after.map_or(0, |after| self.block_of(after));
        let numbers = self.blocks[first.min(self.blocks.len())..].iter().flatten().copied();
        numbers.skip_while(move |number| after.is_some_and(|after| *number <= after))
    }
}

/// All lists.
pub(super) struct Followers {
    shards: Vec<RwLock<AHashMap<u32, List>>>,
}

impl Followers {
    /// Loads every list, in one ordered scan.
    pub(super) fn load(connection: &Connection) -> rusqlite::Result<Self> {
        let followers = Self {
            shards: (0..SHARDS).map(|_| RwLock::default()).collect(),
        };
        let mut statement =
            connection.prepare("SELECT followee, follower FROM followers ORDER BY followee, follower")?;
        let mut rows = statement.query([])?;
        let mut current = (0, List::default());
        while let Some(row) = rows.next()? {
            let (author, follower): (u32, u32) = (row.get(0)?, row.get(1)?);
            if author != current.0 {
                followers.put(std::mem::replace(&mut current, (author, List::default())));
            }
            current.1.push(follower);
        }
        followers.put(current);
        Ok(followers)
    }

    fn put(&self, (author, mut list): (u32, List)) {
        if let Some(last) = list.blocks.last_mut() {
            last.shrink_to_fit();
            list.blocks.shrink_to_fit();
            self.shard(author).write().insert(author, list);
        }
    }

    fn shard(&self, author: u32) -> &RwLock<AHashMap<u32, List>> {
        &self.shards[author as usize % SHARDS]
    }

    /// Adds a follower.
    pub(super) fn insert(&self, author: UserId, follower: UserId) {
        let author = number(author);
        self.shard(author)
            .write()
            .entry(author)
            .or_default()
            .insert(number(follower));
    }

    /// Removes a follower.
    pub(super) fn remove(&self, author: UserId, follower: UserId) {
        let author = number(author);
        if let Some(list) = self.shard(author).write().get_mut(&author) {
            list.remove(number(follower));
        }
    }

    /// A page of an author's followers.
    pub(super) fn page(&self, request: FollowerPageRequest) -> FollowerPage {
        let Ok(author) = u32::try_from(request.author.get()) else {
            return FollowerPage::default();
        };
        let lists = self.shard(author).read();
        let Some(list) = lists.get(&author) else {
            return FollowerPage::default();
        };
        let mut above = list.above(request.after.map(saturated));
        let followers = above.by_ref().take(request.limit).map(user).collect();
        FollowerPage {
            followers,
            more: above.next().is_some(),
        }
    }

    /// An author's followers, cut into chunks.
    pub(super) fn chunks(&self, request: ChunksRequest) -> Vec<ChunkPlan> {
        let Ok(author) = u32::try_from(request.author.get()) else {
            return Vec::new();
        };
        let lists = self.shard(author).read();
        let Some(list) = lists.get(&author) else {
            return Vec::new();
        };
        let mut plans: Vec<ChunkPlan> = Vec::new();
        for follower in list.above(None).map(user) {
            match plans.last_mut() {
                Some(plan) if plan.expected < request.size as u64 => {
                    plan.last = follower;
                    plan.expected += 1;
                }
                last => {
                    let after = last.map(|plan| plan.last);
                    let number = u32::try_from(plans.len()).expect("there are fewer chunks than followers");
                    plans.push(ChunkPlan {
                        number,
                        after,
                        last: follower,
                        expected: 1,
                    });
                }
            }
        }
        plans
    }
}

fn number(user: UserId) -> u32 {
    u32::try_from(user.get()).expect("this store numbers accounts from 1 and would be full long before 2^32")
}

/// A position that a client named may lie above all accounts.
fn saturated(user: UserId) -> u32 {
    u32::try_from(user.get()).unwrap_or(u32::MAX)
}

fn user(number: u32) -> UserId {
    UserId::new(u64::from(number))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_list_is_a_sorted_set_however_it_grows_and_shrinks() {
        let mut list = List::default();
        let mut expected = BTreeSet::new();
        let mut random: u32 = 1;
        for step in 0..60_000_u32 {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let number = random >> 18;
            if step % 3 == 0 {
                list.remove(number);
                expected.remove(&number);
            } else {
                list.insert(number);
                expected.insert(number);
            }
        }
        assert!(list.above(None).eq(expected.iter().copied()));
        assert!(
            list.blocks
                .iter()
                .all(|block| !block.is_empty() && block.len() <= BLOCK)
        );
        for after in [0, 1, 77, 8_000, 16_383, u32::MAX] {
            assert!(
                list.above(Some(after))
                    .eq(expected.iter().copied().filter(|number| *number > after)),
                "{after}"
            );
        }
    }
}

//! The followers of one author: a sorted set of account numbers, at little more than four bytes each.
//!
//! Most authors have few followers: theirs are one array. A longer list is cut into blocks, so that an insert moves at
//! most one block, however many millions there are. Arrays grow by an eighth, not by doubling: memory is dearer here than
//! the copies.

/// How many followers a block may hold.
const MAX_BLOCK: usize = 2_048;

/// A block that sinks below this is joined with a neighbour, if both together leave room for more.
const MIN_BLOCK: usize = MAX_BLOCK / 4;

/// A sorted set of account numbers.
#[derive(Debug)]
pub(super) enum FollowerList {
    /// At most one block of them.
    One(Vec<u32>),
    /// Several blocks, none empty, in order.
    Many(Vec<Vec<u32>>),
}

impl Default for FollowerList {
    fn default() -> Self {
        Self::One(Vec::new())
    }
}

impl FollowerList {
    /// Takes over a list that is in order and holds nobody twice.
    pub(super) fn from_sorted(followers: &[u32]) -> Self {
        if followers.len() <= MAX_BLOCK {
            return Self::One(followers.to_vec());
        }
        // Not quite full: the next follower of a huge author would split every block otherwise.
        Self::Many(
            followers
                .chunks(MAX_BLOCK - MAX_BLOCK / 8)
                .map(<[u32]>::to_vec)
                .collect(),
        )
    }

    /// Adds a follower, unless it is there already.
    pub(super) fn insert(&mut self, follower: u32) {
        match self {
            Self::One(block) => {
                insert_sorted(block, follower);
                if block.len() > MAX_BLOCK {
                    let lower = std::mem::take(block);
                    *self = Self::Many(split(lower, follower).into());
                }
            }
            Self::Many(blocks) => {
                let at = block_for(blocks, follower).min(blocks.len() - 1);
                insert_sorted(&mut blocks[at], follower);
                if blocks[at].len() > MAX_BLOCK {
                    let full = std::mem::take(&mut blocks[at]);
                    blocks.splice(at..=at, split(full, follower));
                }
            }
        }
    }

    /// Takes a follower away, if it is there.
    pub(super) fn remove(&mut self, follower: u32) {
        match self {
            Self::One(block) => remove_sorted(block, follower),
            Self::Many(blocks) => {
                let at = block_for(blocks, follower);
                let Some(block) = blocks.get_mut(at) else { return };
                remove_sorted(block, follower);
                if block.len() < MIN_BLOCK {
                    join(blocks, at);
                }
                if let [last] = &mut blocks[..] {
                    *self = Self::One(std::mem::take(last));
                }
            }
        }
    }

    /// The followers above `after`, in order.
    pub(super) fn above(&self, after: Option<u32>) -> impl Iterator<Item = u32> + '_ {
        let blocks = self.blocks();
        let first = after.map_or(0, |after| blocks.partition_point(|block| block.last() <= Some(&after)));
        let within = after.zip(blocks.get(first));
        let skipped = within.map_or(0, |(after, block)| block.partition_point(|&follower| follower <= after));
        blocks[first..].iter().flatten().skip(skipped).copied()
    }

    /// The blocks, in order; none is empty, except that of an empty list.
    fn blocks(&self) -> &[Vec<u32>] {
        match self {
            Self::One(block) => std::slice::from_ref(block),
            Self::Many(blocks) => blocks,
        }
    }

    /// Bytes that it takes beside itself, slack included.
    #[cfg(test)]
    pub(super) fn heap_bytes(&self) -> usize {
        let ids: usize = self
            .blocks()
            .iter()
            .map(|block| block.capacity() * size_of::<u32>())
            .sum();
        match self {
            Self::One(_) => ids,
            Self::Many(blocks) => ids + blocks.capacity() * size_of::<Vec<u32>>(),
        }
    }
}

/// The first block that reaches up to `follower`; past the end when none does.
fn block_for(blocks: &[Vec<u32>], follower: u32) -> usize {
    blocks.partition_point(|block| block.last() < Some(&follower))
}

fn insert_sorted(block: &mut Vec<u32>, follower: u32) {
    let Err(at) = block.binary_search(&follower) else {
        return;
    };
    if block.len() == block.capacity() {
        block.reserve_exact((block.len() / 8).max(2));
    }
    block.insert(at, follower);
}

fn remove_sorted(block: &mut Vec<u32>, follower: u32) {
    let Ok(at) = block.binary_search(&follower) else { return };
    block.remove(at);
    if block.capacity() > 2 * block.len().max(8) {
        block.shrink_to_fit();
    }
}

/// Cuts a block that has grown too long: in the middle, or before the newcomer where accounts come in order of their
/// numbers, which leaves full blocks behind.
fn split(mut lower: Vec<u32>, newcomer: u32) -> [Vec<u32>; 2] {
    let came_last = lower.last() == Some(&newcomer);
    let upper = lower.split_off(if came_last { MAX_BLOCK } else { lower.len() / 2 });
    lower.shrink_to_fit();
    [lower, upper]
}

/// Joins the short block at `at` with a neighbour that has room for it, or drops it when it is empty.
fn join(blocks: &mut Vec<Vec<u32>>, at: usize) {
    let short = blocks[at].len();
    let fits = |neighbour: &usize| {
        let length = blocks.get(*neighbour).map(Vec::len);
        length.is_some_and(|length| short == 0 || length + short <= MAX_BLOCK / 2)
    };
    let neighbours = [at.checked_sub(1), Some(at + 1)];
    let Some(neighbour) = neighbours.into_iter().flatten().find(fits) else {
        return;
    };
    let upper = blocks.remove(at.max(neighbour));
    blocks[at.min(neighbour)].extend(upper);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::rngs::StdRng;
    use rand::{RngExt, SeedableRng};

    use super::*;

    fn all(list: &FollowerList) -> Vec<u32> {
        list.above(None).collect()
    }

    fn assert_well_formed(list: &FollowerList) {
        if let FollowerList::Many(blocks) = list {
            assert!(blocks.len() > 1);
            assert!(blocks.iter().all(|block| (1..=MAX_BLOCK).contains(&block.len())));
        }
    }

    #[test]
    fn it_is_a_sorted_set_through_growth_and_decline() {
        let mut random = StdRng::seed_from_u64(7);
        let mut list = FollowerList::default();
        let mut model = BTreeSet::new();
        for adds_of_ten in [9, 5, 1, 8, 0] {
            for _ in 0..20_000 {
                let follower = random.random_range(1..30_000);
                if random.random_range(0..10) < adds_of_ten {
                    list.insert(follower);
                    model.insert(follower);
                } else {
                    list.remove(follower);
                    model.remove(&follower);
                }
            }
            assert_well_formed(&list);
            assert!(all(&list).into_iter().eq(model.iter().copied()));
            for after in (0..30_000).step_by(997) {
                let expected = model.range(after + 1..).copied().take(50);
                assert!(list.above(Some(after)).take(50).eq(expected));
            }
        }
        for follower in model {
            list.remove(follower);
        }
        assert!(all(&list).is_empty());
        assert!(matches!(list, FollowerList::One(_)));
    }

    #[test]
    fn a_list_that_was_loaded_goes_on_like_one_that_grew() {
        for length in [0, 1, 2_048, 2_049, 10_000] {
            let followers: Vec<u32> = (0..length).map(|n| n * 2).collect();
            let mut list = FollowerList::from_sorted(&followers);
            assert_eq!(all(&list), followers);
            list.insert(length);
            list.insert(length);
            assert_well_formed(&list);
            assert_eq!(
                all(&list).len(),
                followers.len() + usize::from(length % 2 == 1 || length == 0)
            );
        }
    }

    #[test]
    fn followers_that_come_in_order_fill_their_blocks() {
        let mut list = FollowerList::default();
        (1..=100_000).for_each(|follower| list.insert(follower));
        assert_well_formed(&list);
        assert!(list.heap_bytes() < 100_000 * 9 / 2, "{} bytes", list.heap_bytes());
    }
}

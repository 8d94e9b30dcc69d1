//! The newest part of a timeline, as bytes: a header, then ids. The scripts (`library.lua`) write it.

use model::{ActorVersion, Coverage, TweetId};
use storage::StoreError;

/// Bytes of the header.
pub(super) const HEADER_BYTES: usize = 56;

/// Ids of a block.
pub(super) const BLOCK: usize = 32;

const FORMAT: u8 = 1;
const BUILT: u8 = 1;
const BUILDING: u8 = 2;
const WHOLE: u8 = 4;

/// A number is trusted to be the last that was announced when its register has been there for so long. Whatever was
/// announced before the register was there, and is lost, was committed before; by now every replica has learned of it by
/// itself, and does not take an older number for the present one.
const REGISTER_RIPE_MS: u64 = 1_000;

/// The newest part of a timeline.
#[derive(Debug)]
pub(super) struct Newest {
    flags: u8,
    /// The place of the oldest block in the ring of blocks.
    first_block: u16,
    blocks: u16,
    touched_s: u64,
    coverage: Coverage,
    version: u64,
    created_ms: u64,
    ids: Vec<TweetId>,
}

impl Newest {
    /// Reads what the server holds. `ids` may end in what is above every id.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, StoreError> {
        let (header, ids) = bytes
            .split_at_checked(HEADER_BYTES)
            .ok_or_else(|| corrupt("a header is cut off"))?;
        if header[0] != FORMAT {
            return Err(corrupt("a later version wrote it"));
        }
        let floor = number(header, 48);
        let complete_from = if header[1] & WHOLE == 0 { floor + 1 } else { 0 };
        let ids = ids.chunks_exact(8).map(|id| TweetId::new(number(id, 0)));
        Ok(Self {
            flags: header[1],
            first_block: u16::from_be_bytes([header[2], header[3]]),
            blocks: u16::from_be_bytes([header[4], header[5]]),
            touched_s: u64::from(u32::from_be_bytes([header[8], header[9], header[10], header[11]])),
            coverage: Coverage {
                complete_from: TweetId::new(complete_from),
                holds: ActorVersion(number(header, 16)),
            },
            version: number(header, 32),
            created_ms: number(header, 40),
            ids: ids.take_while(|id| *id < TweetId::MAX).collect(),
        })
    }

    /// The version that was announced, if that can be known at this time of the server.
    pub(super) fn actor_version(&self, server_ms: u64) -> Option<ActorVersion> {
        let is_ripe = self.created_ms + REGISTER_RIPE_MS <= server_ms;
        (is_ripe && self.version > 0).then_some(ActorVersion(self.version))
    }

    /// Whether there is a built timeline.
    pub(super) const fn is_built(&self) -> bool {
        self.flags & BUILT != 0
    }

    /// Whether pushes have somewhere to go.
    pub(super) const fn exists(&self) -> bool {
        self.flags & (BUILT | BUILDING) != 0
    }

    /// Whether its ids are followed by what is above every id.
    pub(super) const fn is_guarded(&self) -> bool {
        self.flags & (BUILT | BUILDING) != BUILT
    }

    /// How far it can be trusted.
    pub(super) const fn coverage(&self) -> Coverage {
        self.coverage
    }

    /// The same with the ids of the blocks below it. Where those have been lost without it, what is left is complete from
    /// its first id on.
    pub(super) fn with_blocks(mut self, blocks: Option<&[u8]>) -> Self {
        if self.blocks == 0 {
            return self;
        }
        let oldest = usize::from(self.first_block) * BLOCK * 8;
        let ring = blocks.filter(|ring| ring.len() == self.ids_below() * 8);
        if let Some((newer, older)) = ring.and_then(|ring| ring.split_at_checked(oldest)) {
            let below = older.chunks_exact(8).chain(newer.chunks_exact(8));
            self.ids.splice(0..0, below.map(|id| TweetId::new(number(id, 0))));
        } else if let Some(first) = self.ids.first() {
            self.coverage.complete_from = *first;
        }
        self.blocks = 0;
        self
    }

    /// The same without the ids from `end` on.
    pub(super) fn below(mut self, end: TweetId) -> Self {
        let ends = self.ids.partition_point(|id| *id < end);
        self.ids.truncate(ends);
        self
    }

    /// Ascending.
    pub(super) fn into_ids(self) -> Vec<TweetId> {
        self.ids
    }

    /// Its ids, ascending; there may be more below them.
    pub(super) fn ids(&self) -> &[TweetId] {
        &self.ids
    }

    /// How many ids there are in blocks below these.
    pub(super) fn ids_below(&self) -> usize {
        usize::from(self.blocks) * BLOCK
    }

    /// When its life was last prolonged, in seconds since 1970, by the server's clock.
    pub(super) const fn touched_s(&self) -> u64 {
        self.touched_s
    }
}

fn number(bytes: &[u8], at: usize) -> u64 {
    let bytes: [u8; 8] = bytes[at..at + 8].try_into().expect("eight bytes were taken");
    u64::from_be_bytes(bytes)
}

fn corrupt(what: &str) -> StoreError {
    StoreError::Corrupt {
        store: super::STORE,
        what: what.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(flags: u8, floor: u64, ids: &[u64]) -> Vec<u8> {
        let mut bytes = vec![FORMAT, flags, 0, 0, 0, 2, 0, 0];
        bytes.extend([0, 0, 0, 9, 0, 0, 0, 0]);
        for number in [7, 0, 5, 10_000, floor].iter().chain(ids) {
            bytes.extend(number.to_be_bytes());
        }
        bytes
    }

    #[test]
    fn a_timeline_is_read_with_its_coverage() {
        let newest = Newest::parse(&bytes(BUILT, 40, &[50, 60])).unwrap();
        assert!(newest.is_built());
        assert_eq!((newest.ids_below(), newest.touched_s()), (64, 9));
        let coverage = newest.coverage();
        assert_eq!((coverage.complete_from.get(), coverage.holds.0), (41, 7));
        assert_eq!(newest.ids(), [50, 60].map(TweetId::new));
        let whole = Newest::parse(&bytes(BUILT | WHOLE, 0, &[])).unwrap();
        assert_eq!(whole.coverage().complete_from, TweetId::MIN);
    }

    #[test]
    fn blocks_lie_in_a_ring() {
        let mut head = bytes(BUILT, 0, &[500, 600]);
        head[3] = 1;
        let ring = |ids: std::ops::Range<u64>| ids.flat_map(u64::to_be_bytes).collect::<Vec<_>>();
        let blocks = [ring(133..165), ring(101..133)].concat();
        let whole = Newest::parse(&head).unwrap().with_blocks(Some(&blocks));
        let expected: Vec<_> = (101..165).chain([500, 600]).map(TweetId::new).collect();
        assert_eq!((whole.ids(), whole.ids_below()), (&*expected, 0));
        assert_eq!(whole.coverage().complete_from.get(), 1);
        assert_eq!(whole.below(TweetId::new(103)).ids(), [101, 102].map(TweetId::new));
    }

    #[test]
    fn what_has_lost_its_blocks_is_complete_from_its_first_id() {
        let head = bytes(BUILT, 0, &[500, 600]);
        for lost in [None, Some(&[][..]), Some(&[0; 256])] {
            let left = Newest::parse(&head).unwrap().with_blocks(lost);
            assert_eq!(left.coverage().complete_from.get(), 500);
            assert_eq!((left.ids().len(), left.ids_below()), (2, 0));
        }
    }

    #[test]
    fn what_guards_the_end_is_no_id() {
        let guarded = Newest::parse(&bytes(BUILT | 2, 40, &[50, TweetId::MAX.get()])).unwrap();
        assert_eq!(guarded.ids(), [TweetId::new(50)]);
    }

    #[test]
    fn a_version_is_known_when_its_register_is_ripe() {
        let newest = Newest::parse(&bytes(0, 0, &[])).unwrap();
        assert_eq!(newest.actor_version(10_999), None);
        assert_eq!(newest.actor_version(11_000), Some(ActorVersion(5)));
    }

    #[test]
    fn another_format_is_not_guessed_at() {
        let mut later = bytes(BUILT, 0, &[]);
        later[0] = FORMAT + 1;
        assert!(matches!(Newest::parse(&later), Err(StoreError::Corrupt { .. })));
        assert!(Newest::parse(&[FORMAT]).is_err());
    }
}

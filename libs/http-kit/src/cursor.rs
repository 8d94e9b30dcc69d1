//! Cursors: opaque, versioned, checksummed positions. A cursor grants nothing, so it is not signed; the checksum only
//! keeps mangled ones from being taken for other positions.
//!
//! Format: base64url without padding of `[version, kind, payload …, crc32 of all before, big-endian]`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use model::{TweetId, UserId};

use crate::{Problem, problems};

const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;
/// Far above any cursor that is given out, and far below what it would take to make decoding expensive.
const MAX_CHARACTERS: usize = 16 * 1024;

/// Encodes a position. `kind` keeps cursors of one list from being used in another.
pub fn encode(kind: u8, payload: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(2 + payload.len() + CHECKSUM_BYTES);
    bytes.extend_from_slice(&[VERSION, kind]);
    bytes.extend_from_slice(payload);
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&checksum.to_be_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The payload of a cursor of this kind.
pub fn decode(kind: u8, text: &str) -> Result<Vec<u8>, Problem> {
    payload(kind, text).ok_or_else(invalid)
}

/// What a cursor is refused with.
pub fn invalid() -> Problem {
    Problem::new(
        &problems::INVALID_CURSOR,
        "Send a cursor exactly as an answer of this same list gave it, or none to begin at the top.",
    )
}

/// Encodes a position, which is an id, in the list of this kind that is `owner`'s, such as its followers.
pub fn encode_of(kind: u8, owner: UserId, position: u64) -> String {
    let [owner, position] = [owner.get(), position].map(u64::to_be_bytes);
    encode(kind, &[owner, position].concat())
}

/// The position of a cursor of this very list.
pub fn decode_of(kind: u8, owner: UserId, text: &str) -> Result<u64, Problem> {
    let payload = decode(kind, text)?;
    let position = payload.strip_prefix(&owner.get().to_be_bytes());
    position
        .and_then(|bytes| bytes.try_into().ok())
        .map(u64::from_be_bytes)
        .filter(|id| *id <= TweetId::MAX.get())
        .ok_or_else(invalid)
}

fn payload(kind: u8, text: &str) -> Option<Vec<u8>> {
    if text.len() > MAX_CHARACTERS {
        return None;
    }
    let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM_BYTES>()?;
    if crc32fast::hash(content) != u32::from_be_bytes(*checksum) || content.get(..2)? != [VERSION, kind] {
        return None;
    }
    bytes.truncate(bytes.len() - CHECKSUM_BYTES);
    bytes.drain(..2);
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_goes_in_comes_out(kind: u8, payload: Vec<u8>) {
            prop_assert_eq!(decode(kind, &encode(kind, &payload)).unwrap(), payload);
        }

        #[test]
        fn other_kinds_are_refused(kind: u8, other: u8, payload: Vec<u8>) {
            prop_assume!(kind != other);
            prop_assert!(decode(other, &encode(kind, &payload)).is_err());
        }

        #[test]
        fn a_changed_character_is_noticed(payload: Vec<u8>, at: prop::sample::Index, with in "[A-Za-z0-9_-]") {
            let mut text = encode(1, &payload);
            let at = at.index(text.len());
            prop_assume!(text[at..=at] != with);
            text.replace_range(at..=at, &with);
            prop_assert!(decode(1, &text).is_err());
        }

        #[test]
        fn a_list_takes_its_own_cursors_alone(owner in 0..9_u64, other in 0..9_u64, position in 0..=TweetId::MAX.get()) {
            let text = encode_of(1, UserId::new(owner), position);
            prop_assert_eq!(decode_of(1, UserId::new(owner), &text).unwrap(), position);
            prop_assert!(decode_of(2, UserId::new(owner), &text).is_err());
            prop_assert_eq!(decode_of(1, UserId::new(other), &text).is_ok(), owner == other);
        }

        #[test]
        fn nothing_panics(text in ".*", payload: Vec<u8>) {
            let _ = decode(1, &text);
            let _ = decode_of(1, UserId::new(0), &encode(1, &payload));
        }
    }

    #[test]
    fn the_format_is_stable() {
        assert_eq!(encode(7, &[1, 2, 3]), "AQcBAgPMaL8b");
        assert!(decode(7, &"A".repeat(20_000)).is_err());
    }
}

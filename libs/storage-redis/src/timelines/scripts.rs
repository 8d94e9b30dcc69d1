//! The scripts that change timelines, and what they are given.

use bytes::Bytes;
use fred::types::Value;
use model::{Generation, TweetId, UserId};

use super::header::BLOCK;
use crate::request::LuaScript;

/// Ids that the newest part keeps at least: a read of up to so many is a look at that part alone.
const NEWEST: usize = 64;

/// How many ids the parts of a timeline have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    /// In the newest part, at least.
    pub(super) newest: usize,
    /// Blocks below it, at most.
    blocks: usize,
}

impl Shape {
    /// That of timelines which keep `window` ids.
    pub(super) fn of_window(window: usize) -> Self {
        Self::new(window, NEWEST)
    }

    pub(super) fn new(window: usize, newest: usize) -> Self {
        Self {
            newest,
            blocks: window.saturating_sub(newest).div_ceil(BLOCK).min(usize::from(u16::MAX)),
        }
    }

    pub(super) fn arguments(self) -> [Value; 2] {
        [count(self.newest), count(self.blocks)]
    }
}

pub(super) struct Scripts {
    pub(super) push: LuaScript,
    pub(super) begin_build: LuaScript,
    pub(super) install: LuaScript,
    pub(super) backfill: LuaScript,
    pub(super) remove: LuaScript,
    pub(super) announce: LuaScript,
    pub(super) touch: LuaScript,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            push: with_library(include_str!("push.lua")),
            begin_build: with_library(include_str!("begin_build.lua")),
            install: with_library(include_str!("install.lua")),
            backfill: with_library(include_str!("backfill.lua")),
            remove: with_library(include_str!("remove.lua")),
            announce: with_library(include_str!("announce.lua")),
            touch: LuaScript::new(include_str!("touch.lua")),
        }
    }
}

/// The library is a function: what does not need it does not pay for setting it up.
fn with_library(script: &str) -> LuaScript {
    let library = include_str!("library.lua");
    LuaScript::new(format!("local function library()\n{library}\nend\n{script}"))
}

/// The key of a timeline's newest part. Scripts find the others by it: `u` for the blocks below, `b` for what a build
/// collects. The user between braces keeps them together in a cluster.
pub(super) fn key(user: UserId, generation: Generation) -> Value {
    Value::from(format!("t{{{user}}}:{generation}"))
}

/// The key of the blocks below it.
pub(super) fn blocks_key(user: UserId, generation: Generation) -> Value {
    Value::from(format!("u{{{user}}}:{generation}"))
}

pub(super) fn bytes(number: u64) -> Value {
    Value::Bytes(Bytes::copy_from_slice(&number.to_be_bytes()))
}

/// Ids that are ascending already, as one string.
pub(super) fn sequence(ids: &[TweetId]) -> Value {
    let bytes: Vec<u8> = ids.iter().flat_map(|id| id.get().to_be_bytes()).collect();
    Value::Bytes(bytes.into())
}

/// Ids in any order, with repetitions.
pub(super) fn sorted_sequence(ids: &[TweetId]) -> Value {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    sequence(&ids)
}

fn count(number: usize) -> Value {
    Value::Integer(i64::try_from(number).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timeline_keeps_its_window_when_it_is_fullest() {
        assert_eq!(Shape::of_window(800), Shape { newest: 64, blocks: 23 });
        for window in [1, 64, 65, 96, 97, 800, 5_000] {
            let shape = Shape::of_window(window);
            assert!(shape.newest + shape.blocks * BLOCK >= window, "{window}");
        }
    }
}

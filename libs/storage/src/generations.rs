//! The lives of cache nodes, as the durable store counts them.

use async_trait::async_trait;
use model::Generation;

use crate::{Deadline, StoreError};

/// Tells which life of a cache node is the present one. A node that was restarted, or has another role, may lack its latest
/// writes or hold an older file: what it was given in an earlier life counts as absent.
///
/// What a cache holds is found by the number of its generation alone, so a number is never given out twice: not to another
/// node, and not after the store has been restored from a backup and forgotten what it gave out since (the store's epoch
/// is part of the number).
#[async_trait]
pub trait Generations: Send + Sync {
    /// The generation of `node`, whose present life is called `incarnation`. Whoever is first to see another incarnation
    /// than the one that the store knows raises the generation there. As of a moment after the call: every process asks
    /// a few times each second, so one cheap round trip where nothing is new.
    async fn current(&self, node: &str, incarnation: &str, deadline: Deadline) -> Result<Generation, StoreError>;
}

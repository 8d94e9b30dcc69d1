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

    /// The highest number that was ever given for `name`, this one included; 0 where nobody gave one. Names are apart from
    /// those of nodes. As of a moment after the call, and as cheap where nothing is new.
    ///
    /// By it nodes that may take one another's place tell who came last.
    async fn highest(&self, name: &str, number: u64, deadline: Deadline) -> Result<u64, StoreError>;
}

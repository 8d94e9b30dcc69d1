//! How a process that caches parts of the graph learns what has become of them.

use async_trait::async_trait;
use model::{Epoch, GraphChange, Position, UserId};

use crate::{Deadline, GraphStore, RevocationState, StoreError};

/// What a replica asks for again and again, as of one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pulse {
    /// What was committed before the call and lies above the position that was asked from, oldest first; all of it unless
    /// there are as many as were asked for.
    pub changes: Vec<GraphChange>,
    /// Whether changes above that position have been dropped by their retention, or are of a kind that this build does
    /// not know: anything may have changed.
    pub gap: bool,
    /// The version of the delivery rules.
    pub rules_version: u64,
    /// The store's epoch.
    pub epoch: Epoch,
}

/// The graph store, as every service can read it to keep its caches true. Where one process is the only writer and keeps
/// the only caches, nobody needs it.
#[async_trait]
pub trait GraphFeed: GraphStore {
    /// What has happened since `after`, at most `limit` changes. One cheap round trip when it is nothing.
    async fn pulse(&self, after: Position, limit: usize, deadline: Deadline) -> Result<Pulse, StoreError>;

    /// The place of the newest change.
    async fn latest(&self, deadline: Deadline) -> Result<Position, StoreError>;

    /// What [`GraphStore::revocations`] says of these accounts alone.
    async fn revocations_of(&self, users: &[UserId], deadline: Deadline) -> Result<RevocationState, StoreError>;
}

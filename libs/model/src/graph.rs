//! What the follow graph says of a reader.

use crate::{ActorVersion, Position, TweetId, UserId};

/// What an edge from one account to another means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EdgeKind {
    /// Its tweets are in my home timeline.
    Follow,
    /// Its tweets are kept out of my home timeline; it never learns.
    Mute,
    /// Neither sees the other's tweets.
    Block,
}

/// An account that a reader follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followee {
    /// The account.
    pub id: UserId,
    /// The follower's actor version when it followed: a stored timeline of an older version lacks this followee.
    pub since: ActorVersion,
}

/// All that a home timeline read needs to know of its reader, at one actor version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReaderView {
    /// The reader.
    pub reader: UserId,
    /// The reader's own last change.
    pub version: ActorVersion,
    /// Whom the reader follows, by id.
    pub followees: Vec<Followee>,
    /// Whom the reader muted, by id.
    pub muted: Vec<UserId>,
    /// Who stands across a block, in either direction, by id.
    pub blocked: Vec<UserId>,
}

impl ReaderView {
    /// The followee, if the reader follows it.
    pub fn followee(&self, id: UserId) -> Option<Followee> {
        let at = self.followees.binary_search_by_key(&id, |followee| followee.id).ok()?;
        Some(self.followees[at])
    }

    /// Whether tweets of `author` belong into this reader's home timeline: their own always, others' when followed and
    /// neither muted nor across a block.
    pub fn shows(&self, author: UserId) -> bool {
        author == self.reader
            || (self.followee(author).is_some()
                && self.muted.binary_search(&author).is_err()
                && self.blocked.binary_search(&author).is_err())
    }
}

/// How far a stored timeline can be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Coverage {
    /// Every pushed tweet at or above it is among the entries, once its delivery is done. [`TweetId::MAX`] while a build
    /// has not finished: nothing is covered.
    pub complete_from: TweetId,
    /// The reader's actor version whose follows the timeline holds: who was followed later must be pulled.
    pub holds: ActorVersion,
}

/// What happened to the graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GraphChangeKind {
    /// An edge was made.
    Added(EdgeKind),
    /// An edge was removed; a tombstone with its version stays.
    Removed(EdgeKind),
    /// The account was deleted.
    AccountDeleted,
    /// Tokens of the account were revoked.
    SessionsRevoked,
}

/// A change of the graph, with its place in commit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GraphChange {
    /// Its place.
    pub position: Position,
    /// Who made it.
    pub actor: UserId,
    /// The actor's version after it.
    pub version: ActorVersion,
    /// What happened.
    pub kind: GraphChangeKind,
    /// To whom; the actor itself where nobody else is concerned.
    pub target: UserId,
}

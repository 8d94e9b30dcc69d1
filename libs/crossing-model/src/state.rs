//! One moment of the modelled world.

use model::{ActorVersion, Followee, Mode, ReaderView, TweetId};

use crate::build::Build;
use crate::fan_out::Worker;
use crate::history::History;
use crate::read::Read;
use crate::timeline::Timeline;
use crate::{AUTHOR, Asked, READER, Rules};

/// All that there is at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct State {
    /// The tick.
    pub now: u8,
    /// What is asked for.
    pub asked: Asked,
    /// How often that may still change.
    pub asks_left: u8,
    /// The delivery rules.
    pub rules: History<Rules>,
    /// When follow-graph began to look which steps are due, and the highest id that it was told.
    pub looked: Option<(u8, TweetId)>,
    /// Steps that it has decided upon and not committed yet.
    pub step: Option<Rules>,
    /// The reader's edge to the author.
    pub edge: History<Edge>,
    /// How often that may still change.
    pub edges_left: u8,
    /// The author's tweets, by id.
    pub tweets: Vec<Tweet>,
    /// The workers of fan-out.
    pub workers: Vec<Worker>,
    /// How many of them may still die.
    pub crashes_left: u8,
    /// The reader's home timeline.
    pub timeline: Timeline,
    /// Builds and backfills under way.
    pub builds: Vec<Build>,
    /// How many more may begin.
    pub builds_left: u8,
    /// How often the stored timeline may still be lost.
    pub losses_left: u8,
    /// A read under way.
    pub read: Option<Read>,
    /// What went wrong.
    pub broken: Option<Missing>,
}

/// A tweet of the author.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Tweet {
    /// Its id.
    pub id: TweetId,
    /// Whether it is in the store.
    pub committed: bool,
    /// How it travelled, once that is recorded.
    pub mode: Option<Mode>,
    /// Whether its event is acknowledged.
    pub done: bool,
    /// Whether the reader has seen it.
    pub seen: bool,
}

/// What the graph store has of the reader and the author.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Edge {
    /// How often the reader has followed and unfollowed.
    pub version: u8,
    /// Whether it follows.
    pub follows: bool,
}

/// A broken promise: a tweet whose delivery was done when a read began is not in its answer, though the reader followed its
/// author all the time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Missing(pub TweetId);

impl Edge {
    /// What a reader's cache holds.
    pub(crate) fn view(self) -> ReaderView {
        let followee = Followee {
            id: AUTHOR,
            since: self.actor_version(),
        };
        ReaderView {
            reader: READER,
            version: self.actor_version(),
            followees: if self.follows { vec![followee] } else { Vec::new() },
            muted: Vec::new(),
            blocked: Vec::new(),
        }
    }

    pub(crate) fn actor_version(self) -> ActorVersion {
        ActorVersion(u64::from(self.version))
    }
}

impl State {
    /// What the tweet store has of the author, newest first.
    pub(crate) fn committed(&self) -> impl Iterator<Item = TweetId> + '_ {
        self.tweets
            .iter()
            .rev()
            .filter(|tweet| tweet.committed)
            .map(|tweet| tweet.id)
    }

    pub(crate) fn tweet(&self, id: TweetId) -> &Tweet {
        self.tweets
            .iter()
            .find(|tweet| tweet.id == id)
            .expect("ids are of tweets")
    }

    pub(crate) fn tweet_mut(&mut self, id: TweetId) -> &mut Tweet {
        self.tweets
            .iter_mut()
            .find(|tweet| tweet.id == id)
            .expect("ids are of tweets")
    }

    /// Whose delivery is done.
    pub(crate) fn done(&self) -> Vec<TweetId> {
        self.tweets
            .iter()
            .filter(|tweet| tweet.done)
            .map(|tweet| tweet.id)
            .collect()
    }

    /// The highest id that was accepted.
    pub(crate) fn highest(&self) -> TweetId {
        self.committed().next().unwrap_or(TweetId::MIN)
    }
}

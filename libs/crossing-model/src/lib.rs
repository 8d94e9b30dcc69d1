//! The crossing as a model: `docs/crossing.md` argues, this enumerates.
//!
//! One author, one reader and the replicas between them take their steps in every order that the protocol allows, and
//! after each step it is asked whether a tweet fell between. What decides is the code that runs in production: the steps of
//! a crossing are [`follow_graph::crossing::decide`]'s, a tweet's mode is [`model::DeliveryRules::settle`]'s, and what a
//! read pulls beside a stored timeline is [`timeline_read::beside_stored`]'s. What moves data is modelled: stores are
//! values, every access to one is a step of its own, and a process may stop for any time between two steps, or die.
//!
//! | part | in the model |
//! |---|---|
//! | time | ticks; what is cached may be believed for [`SETTLE`] of them after it was confirmed ([`history`]) |
//! | delivery rules, the reader's edge | a history, of which each replica holds any version that it may still believe |
//! | fan-out ([`fan_out`]) | workers, which may hold the same event; redelivery until an event is done |
//! | home timeline ([`timeline`]) | entries within a window, their mark and the version they hold, builds by ticket |
//! | timeline-read ([`read`], [`build`]) | reads in three steps, builds and backfills in four |
//!
//! A [`Fault`] removes one guard of the protocol. Each is found by some scenario: so the model can fail, and what it fails
//! at says what the guard is for.

pub mod build;
pub mod fan_out;
pub mod history;
mod model_check;
pub mod read;
mod rules;
mod scenarios;
mod state;
pub mod timeline;

pub use model_check::{Action, CrossingModel};
pub use rules::{Asked, Rules};
pub use scenarios::{Bounds, Fault, SCENARIOS, Scenario};
pub use state::{Edge, Missing, State, Tweet};

use model::{EPOCH_MS, TweetId, UserId};

/// For how many ticks a confirmation may be believed, and how long a step must have been in force before the next one that
/// takes something away.
pub const SETTLE: u8 = 1;

/// The one who posts.
pub const AUTHOR: UserId = UserId::new(2);

/// The one who reads.
pub const READER: UserId = UserId::new(1);

/// A tick as milliseconds.
pub(crate) fn unix_ms(tick: u8) -> u64 {
    EPOCH_MS + 1_000 + u64::from(tick)
}

/// The id of the `number`th tweet when it is drawn at this tick.
pub(crate) fn tweet_id(tick: u8, number: usize) -> TweetId {
    TweetId::new(TweetId::first_at(unix_ms(tick)).get() + number as u64)
}

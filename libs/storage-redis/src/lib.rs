//! Home timelines, caches and the event stream on Redis or Valkey.
//!
//! All of it may be lost at any time: timelines and tweets are rebuilt from the store, events are published again from the
//! outbox. [`RedisClient`] knows which life of the node it speaks to, and believes nothing of an earlier one.

mod client;
mod error;
mod events;
mod script;
mod timelines;
mod tweets;

pub use client::{HOLDS, RedisClient, RedisOptions};
pub use error::OpenError;
pub use events::{AsideReason, EventLogCounts, EventLogSettings, RedisEventLog, SetAside};
pub use timelines::{RedisTimelineOptions, RedisTimelines};
pub use tweets::RedisTweets;

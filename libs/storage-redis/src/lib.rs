//! Home timelines, caches and the event stream on Redis or Valkey.
//!
//! All of it may be lost at any time: timelines and tweets are rebuilt from the store, events are published again from the
//! outbox. [`RedisNode`] knows which life of the server it speaks to, and believes nothing of an earlier one.

mod client;
mod error;
mod events;
mod node;
mod options;
mod request;
mod timelines;
mod tweets;

pub use client::RedisClient;
pub use error::OpenError;
pub use events::{AsideReason, EventLogCounts, EventLogMetrics, EventLogSettings, RedisEventLog, SetAside};
pub use node::{HOLDS, RedisNode};
pub use options::{RedisOptions, check_url};
pub use timelines::{RedisTimelineOptions, RedisTimelines};
pub use tweets::{NearTweets, RedisTweets};

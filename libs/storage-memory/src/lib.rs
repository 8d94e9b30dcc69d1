//! The stores of the all-in-one binary that may be lost: home timelines and rendered tweets, in memory.
//!
//! - [`MemoryTimelines`] implements [`storage::TimelineStore`]: a delivery costs two cache misses, an entry about nine
//!   bytes.
//! - [`MemoryTweets`] implements [`storage::TweetCache`]: bounded by bytes, and never serves what was removed.

mod timelines;
mod tweets;

pub use timelines::{MemoryTimelineOptions, MemoryTimelines};
pub use tweets::MemoryTweets;

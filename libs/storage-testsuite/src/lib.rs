//! One contract suite for each port; every adapter runs it.
//!
//! A suite assumes nothing but what its port documents. An adapter calls the suite's macro with a function that makes a
//! fresh store, and gets one test for each rule.

pub mod cache;
pub mod delivery;
pub mod event_log;
pub mod generations;
pub mod graph;
pub mod page;
mod support;
pub mod timeline;
pub mod tweet;
pub mod tweet_counts;

pub use cache::CacheBackend;
pub use delivery::DeliveryBackend;
pub use generations::GenerationsBackend;
pub use graph::GraphBackend;
pub use support::{TweetBackend, TweetPorts};
pub use timeline::TimelineBackend;

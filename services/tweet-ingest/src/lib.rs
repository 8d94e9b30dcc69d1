//! tweet-ingest: accepts and deletes tweets, durably, then publishes them.
//!
//! A tweet is answered 201 only when it is committed together with its outbox event (and its idempotency key); the event
//! goes to the log straight after. A deletion is answered 204 only when its tombstone is committed and the rendered tweet
//! is out of the cache. Whoever posts is known from the token alone, so posting works while follow-graph is down.
//!
//! Ports: [`storage::TweetStore`], [`storage::EventLog`], [`storage::TweetCache`], [`storage::FollowGraph`] (blocks, and
//! which accounts are deleted).

mod http;
mod metrics;
mod service;
mod text;

pub use http::{openapi, routes};
pub use service::{Ports, PostError, TweetIngest};
pub use text::{InvalidText, TweetText};

//! timeline-read: serves home and user timelines. It writes nothing durable.
//!
//! A home timeline is the tweets of those its reader follows and the reader's own, newest first. [`home`] says how a page
//! comes about: what fan-out stored is merged with what is pulled from the tweet store ([`sources`]), turned into tweets
//! ([`hydrate`]), filtered by what the reader follows, mutes and blocks *now*, and cut to a page. The answer does not
//! depend on how a tweet travelled; only its cost does.
//!
//! Stored timelines are a cache. One that is missing is built in the background ([`build`]) while its reader is served
//! from the tweet store. Some are compared with the tweet store now and then ([`audit`]), and all can be computed anew
//! ([`rebuild`]).
//!
//! Operators may ask why a tweet is, or is not, in a timeline ([`explain`]).
//!
//! Ports: [`storage::TimelineStore`], [`storage::TweetStore`], [`storage::TweetCache`], [`storage::FollowGraph`],
//! [`storage::EventLog`] (for the mark below which nothing can arrive late); for audits and
//! explanations [`storage::DeliveryStore`] and [`storage::EdgeRecords`].

mod audit;
mod build;
mod explain;
mod home;
mod http;
mod hydrate;
mod mark;
mod metrics;
mod rebuild;
mod service;
mod settings;
mod sources;
#[cfg(test)]
mod tests;
mod user_timeline;

pub use audit::AuditReport;
pub use explain::{Explanation, Rule, Step, Verdict};
pub use http::{internal_routes, openapi, routes};
pub use rebuild::{RebuildCounts, Rebuilt};
pub use service::{Ports, ReadError, TimelineRead};
pub use settings::{AuditSettings, TimelineReadSettings};
pub use sources::beside_stored;

//! fan-out: consumes published tweets and writes them into followers' home timelines.
//!
//! A worker takes events in batches as large as the backlog, settles how each tweet travels, asks for the followers of all
//! authors at once, turns tweet -> followers into follower -> tweets, and writes. Alone, a tweet goes at once; under load
//! the cost of a delivery falls. The followers of a huge author are cut into chunks, which are jobs of their own, leased from
//! the books by the workers of all processes, so that small authors never wait behind it. Nor behind one who turns out late to
//! be pushed, whose followers are walked beside the batches.
//!
//! What it promises: a tweet's mode is settled once and recorded; an event is acknowledged only when its tweet is written
//! and recorded as done; a redelivered tweet is not counted twice, and a chunked one goes on at its unfinished chunks,
//! whatever becomes of its event. Readers drop what was deleted, so a delete is not fanned out.
//!
//! Ports: [`storage::EventLog`], [`storage::FollowGraph`], [`storage::TimelineStore`], [`storage::DeliveryStore`],
//! [`storage::TweetStore`] (to tell a tweet that is not delivered yet from none).

mod backlog;
mod batch;
mod books;
mod chunks;
mod http;
mod late_pushes;
mod metrics;
mod service;
mod settings;
mod spans;
mod worker;

pub use http::internal_routes;
pub use service::{FanOut, Ports};
pub use settings::FanOutSettings;

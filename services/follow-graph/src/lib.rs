//! follow-graph: accounts, who follows, mutes and blocks whom, and how an author's tweets are delivered.
//!
//! It is the only writer of the graph store, and what the other services ask about the graph ([`storage::FollowGraph`]) it
//! answers from caches that its own writes keep true: a write is answered only when what it changes is out of them. So an
//! account's own changes show in its next read.
//!
//! The [`crossing`] moves authors, and everyone, between pushed and pulled, one safe step at a time.
//!
//! Ports: [`storage::GraphStore`], [`storage::EventLog`] (how many tweets an author has; which ids have been drawn).

mod counts;
pub mod crossing;
mod http;
mod service;
mod settings;

pub use http::{internal_routes, openapi, routes};
pub use service::{FollowGraphService, LogInError, Ports};
pub use settings::{FollowGraphSettings, PasswordCost};

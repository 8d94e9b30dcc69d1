//! What a process keeps of the follow graph in memory, kept true; and the follow graph as another process serves it.
//!
//! [`Replica`] holds reader views, follower lists, who is deleted, which tokens are revoked, and the delivery rules. Where
//! one process is the only writer, its own writes keep them true. Where several processes share a store, each asks the
//! store again and again what has been committed ([`storage::GraphFeed`]): a confirmation holds for [`HOLDS`], counted
//! from when it was asked for, and without one nothing that is cached is believed.
//!
//! [`RemoteGraph`] is [`storage::FollowGraph`] over HTTP, batched, with such a replica before it: while follow-graph is
//! away, whatever is cached and confirmed still answers, and reader views come from the store. [`wire`] is what the two
//! sides say to each other. [`StoreGraph`] is the same port straight from the store, for commands.

mod breaker;
mod client_span;
mod kept;
mod metrics;
mod remote;
mod replica;
mod standing;
mod store_graph;
pub mod wire;

pub use kept::{Kept, Weigh};
pub use metrics::Lookups;
pub use remote::{InvalidRemote, RemoteGraph, RemoteGraphOptions};
pub use replica::{HOLDS, Replica};
pub use standing::Standing;
pub use store_graph::StoreGraph;

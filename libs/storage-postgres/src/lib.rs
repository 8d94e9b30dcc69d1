//! Tweets, graph, delivery records and outbox on PostgreSQL.
//!
//! One database holds everything; each table has one service as its only writer. [`PostgresPool`] connects and bounds,
//! [`migrate`] makes the schema. PostgreSQL keeps its durable defaults: what is answered `Ok` is on disk.

// The harness of the integration tests is used from within, too.
#[cfg(test)]
extern crate self as storage_postgres;

mod ask;
mod deliveries;
mod error;
mod generations;
mod graph;
mod migrate;
#[cfg(test)]
mod plans;
mod pool;
mod sql;
mod tweets;

pub use deliveries::PostgresDeliveries;
pub use error::OpenError;
pub use generations::PostgresGenerations;
pub use graph::PostgresGraph;
pub use migrate::{Migrated, check_schema, epoch, migrate, needed, new_epoch};
pub use pool::{PoolMetrics, PoolState, PostgresOptions, PostgresPool, check_url};
pub use tweets::{PostgresTweets, Pruned, TweetOptions};

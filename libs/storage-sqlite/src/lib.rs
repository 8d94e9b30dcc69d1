//! The durable stores of the all-in-one binary, on `SQLite`: tweets, graph and delivery records in files of their own, and
//! the event log over the tweets file.
//!
//! Each file has one [writer thread](writer) that groups concurrent writes into one durable commit, and a few
//! [readers](readers) off the async threads.

mod delivery;
mod graph;
mod readers;
mod schema;
mod sql;
mod tweets;
mod writer;

pub use delivery::{DeliveryOptions, SqliteDeliveries};
pub use graph::{GraphOptions, SqliteGraph};
pub use schema::OpenError;
pub use tweets::{SqliteTweets, TweetOptions};

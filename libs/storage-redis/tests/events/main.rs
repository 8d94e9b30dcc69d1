//! The event log on a real Redis, which each test starts for itself, and kills.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aside;
mod cluster;
mod contract;
#[path = "../../../storage-postgres/tests/support/mod.rs"]
mod database;
mod losses;
mod outbox;
mod server;
mod streams;
mod workers;
mod world;

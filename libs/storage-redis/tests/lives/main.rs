//! What becomes of timelines, versions and rendered tweets when a server restarts, changes its role, or loses some of them:
//! on servers that each test starts for itself, with every program there is to test with.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod cluster;
mod failover;
mod generations;
mod losses;
mod memory;
mod near;
mod resharding;
mod security;
mod server;
mod world;

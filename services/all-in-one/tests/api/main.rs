//! The public API, from outside: every answer that a client can get, asked of the real program on ports of its own.

mod app;
mod audit;

mod cursors;
mod edges;
mod explain;
mod idempotency;
mod metrics;
mod openapi;
mod operators;
mod refusals;
mod schema;
mod sessions;
mod signer;
mod timelines;
mod tokens;
mod tweets;
mod users;

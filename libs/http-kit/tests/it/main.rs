//! http-kit over real connections: what any service built on it answers.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod extractors;
mod server;
mod support;
mod tokens;

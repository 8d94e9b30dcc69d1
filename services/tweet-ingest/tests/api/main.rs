//! tweet-ingest over HTTP, on its real store.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod delete;
mod get;
mod post;
mod support;

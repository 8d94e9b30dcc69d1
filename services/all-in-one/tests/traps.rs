//! The 24 known traps of home timelines, each with a test that is named after it (`docs/traps.md` lists all, also those
//! that are elsewhere).
//!
//! The real services run in this process over the embedded adapters. Between them stand the test's own: a log that holds
//! events back and hands them out again, stores with places where whoever uses them is stopped, a follow graph that is
//! believed for as long as it may be. So each test says itself who comes first.
//!
//! `cargo xtask mutants trap` removes the guard that a test names, and sees the test fail.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "traps/believing.rs"]
mod believing;
#[path = "traps/builds.rs"]
mod builds;
#[path = "traps/crossing.rs"]
mod crossing;
#[path = "traps/deliveries.rs"]
mod deliveries;
#[path = "oracle/held_log.rs"]
mod held_log;
#[path = "traps/pages.rs"]
mod pages;
#[path = "traps/races.rs"]
mod races;
#[path = "traps/repeating_log.rs"]
mod repeating_log;
#[path = "traps/stepped.rs"]
mod stepped;
#[path = "traps/steps.rs"]
mod steps;
#[path = "traps/world.rs"]
mod world;

//! The production shape, whole: the oracle's histories and faults of every kind, against real processes behind a real load
//! balancer, two replicas of everything.
//!
//! `cargo xtask test` builds the programs and says where they are (`ROOKERY_TEST_PROGRAMS`).
//! `ROOKERY_STACK_CASES=n` runs n times as many histories.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod aside;
mod audit;
mod books;
mod configuration;
mod dashboards;
mod drain;
mod explain;
mod fan_out;
mod faults;
mod oracle;
mod restore;
mod stopped;
mod support;
mod traces;

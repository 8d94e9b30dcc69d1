//! The oracle's plain model, a client of the public API, and random histories that compare the two.
//!
//! - [`Oracle`] says what every answer must be, as simply as it can be said;
//! - [`Client`] asks a system over its public API, through a [`Transport`];
//! - [`generate`] makes a [`History`] from a seed, [`run`] takes it step by step against a [`System`] and compares each
//!   answer, and [`shrink`] leaves out what a failure does not need;
//! - [`RookeryProcess`] is the real program as a child process;
//! - [`Stack`] is the production shape: many processes behind a load balancer, to be killed and started again;
//! - [`OtlpReceiver`] takes traces as a collector does, and tells them;
//! - [`FaultyTransport`] distorts answers, so that the comparison itself can be tested.
//!
//! Nothing here knows how the system works inside: it is asked over HTTP alone, be it one process or a stack behind a
//! load balancer.

pub mod client;
pub mod history;
pub mod oracle;
pub mod otlp;
pub mod view;

mod explain;
mod faults;
mod generate;
mod knowledge;
mod process;
mod runner;
mod shrink;
mod stack;
mod system;
mod transport;

#[cfg(test)]
mod fake;

pub use client::{Client, PageQuery};
pub use explain::{Explanation, RuleBody};
pub use faults::{Distortion, FaultyTransport};
pub use generate::{Plan, generate};
pub use history::{History, Label, Rules, Seat, Step, Stop};
pub use oracle::Oracle;
pub use otlp::OtlpReceiver;
pub use process::{ProcessOptions, RookeryProcess};
pub use runner::{Violation, run};
pub use shrink::{Shrunk, shrink};
pub use stack::{LOAD_BALANCER, PROMETHEUS, Part, SERVICES, Stack};
pub use system::{Operator, System};
pub use transport::{Answer, ClientError, HttpTransport, Request, Transport};

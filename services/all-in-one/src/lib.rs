//! Rookery in one process: the four services on embedded stores, and the commands of its operators.
//!
//! [`start`] is the composition root: it locks the data folder, opens the stores, wires the services to them (`services`
//! is the one place that names adapters) and serves. [`RunningApp::shutdown`] ends all of it in the opposite order. The
//! program `rookery` adds a command line; its [`commands`] work on a running system through a socket in the data folder,
//! and on a stopped one by opening the stores themselves.
//!
//! What it promises beyond what the services do:
//!
//! - one process at a time uses a data folder;
//! - what makes a start impossible is one sentence and an exit code of its own, never a backtrace;
//! - whatever was acknowledged is there after an end of any kind; a gentle one answers the requests that had begun,
//!   finishes the batch of fan-out, and takes less than 30 s.

mod app;
mod banner;
pub mod cli;
pub mod commands;
mod control;
mod data_dir;
mod error;
mod keys;
mod operations;
mod services;
mod stores;

pub use app::{RunningApp, StartOptions, ThroughLog, start};
pub use error::StartError;

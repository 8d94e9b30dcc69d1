//! What every process needs around its services: configuration, logging, signals and drain; and progress of long work.
//!
//! Configuration is one tree ([`Settings`]) that all services know, so that one file or `ConfigMap` serves all. It is read
//! here and nowhere else; services get their own settings from the composition root.

pub mod exit;
mod logging;
mod progress;
pub mod settings;
mod shutdown;
mod tasks;

pub use logging::{InvalidFilter, LogGuard, init_logging};
pub use progress::{Progress, counted};
pub use settings::{ConfigErrors, Settings};
pub use shutdown::shutdown_signal;
pub use tasks::Tasks;

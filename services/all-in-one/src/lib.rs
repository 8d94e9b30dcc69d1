//! The four services in one process.
mod banner;
pub mod cli;
pub mod commands;
mod control;
mod data_dir;
mod error;
pub mod graph_file;
mod keys;
mod operations;
mod progress;
mod stores;
pub use error::StartError;

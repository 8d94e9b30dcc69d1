//! The four services in one process.

pub mod graph_file;

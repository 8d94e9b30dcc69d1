//! Takes over follow edges from a file: the whole file is checked first, then its edges go to an [`ImportTarget`] batch by
//! batch, with progress. One bad line and nothing is taken over, unless that was asked for.

pub mod graph_file;
mod import;
mod report;

pub use import::{ImportFailure, ImportTarget, import_graph};

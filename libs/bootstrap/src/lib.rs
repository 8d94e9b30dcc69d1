//! One start and one drain for every process: the services and `rookery` alike.
//!
//! A composition root binds its [`Listeners`], wires its services into a [`Wiring`], and starts a [`Process`]. The process
//! ends in the order that loses nothing: not ready, requests that had begun, work in hand, what goes on behind, and last
//! the internal port, which can be asked until then. [`run`] is what a binary does around that.

mod listeners;
mod process;
mod program;
mod traces;
mod waiting;

pub use listeners::{ListenError, Listeners};
pub use process::{CLOSE_STORES, Overdue, Process, Routes, Stage, Wiring, vital};
pub use program::{Failure, Started, print_usage, run};
pub use waiting::Waiting;

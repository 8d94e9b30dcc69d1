//! The program `rookery` as its users meet it: started, stopped, killed, and given commands.
#![expect(clippy::unwrap_used, reason = "what a test cannot do fails it")]

mod crash;
mod explain;
mod first_run;
mod import;
mod logs;
mod migrate;
mod rebuild;
mod restore;
mod rookery;
mod start;
mod stop;
mod token;
mod traces;

//! The program `rookery` as its users meet it: started, stopped, killed, and given commands.

#[path = "process/crash.rs"]
mod crash;
#[path = "process/first_run.rs"]
mod first_run;
#[path = "process/import.rs"]
mod import;
#[path = "process/migrate.rs"]
mod migrate;
#[path = "process/rookery.rs"]
mod rookery;
#[path = "process/start.rs"]
mod start;
#[path = "process/stop.rs"]
mod stop;
#[path = "process/token.rs"]
mod token;

//! The program `rookery`: four services in one process, and the commands for its operators.

use std::io::Write;
use std::process::ExitCode;

use all_in_one::cli::{Cli, Command};
use all_in_one::{RunningApp, StartOptions, commands};
use bootstrap::Failure;
use clap::Parser;
use mimalloc::MiMalloc;
use runtime::Settings;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    match Cli::try_parse() {
        Ok(cli) => {
            let nothing_more = |_: &Settings, _: Option<&Command>| Vec::new();
            bootstrap::run(
                "rookery",
                cli.config.as_deref(),
                cli.command,
                nothing_more,
                start,
                carry_out,
            )
        }
        Err(error) => bootstrap::print_usage(&error),
    }
}

async fn start(settings: Settings) -> Result<RunningApp, Failure> {
    let started = all_in_one::start(settings, StartOptions::default()).await;
    let app = started.map_err(|error| Failure::new(&error, error.exit_code()))?;
    // Nobody may be reading.
    let _ = std::io::stdout().write_all(app.banner().as_bytes());
    Ok(app)
}

async fn carry_out(settings: Settings, command: Command) -> Result<(), Failure> {
    let done = commands::run(&settings, command).await;
    done.map_err(|error| Failure::new(&error, error.exit_code()))
}

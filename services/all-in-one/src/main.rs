//! The program `rookery`: four services in one process, and the commands for its operators.

use std::ffi::OsString;
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use all_in_one::cli::{Cli, Command};
use all_in_one::{StartOptions, commands};
use clap::Parser;
use clap::error::ErrorKind;
use mimalloc::MiMalloc;
use runtime::{Settings, exit};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How long threads may go on with what nobody waits for any more.
const LEFT_OVER_WORK: Duration = Duration::from_secs(1);

/// A sentence, and what to exit with.
type Failure = (String, u8);

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err((sentence, code)) => {
            eprintln!("rookery: {sentence}");
            ExitCode::from(code)
        }
    }
}

/// `--help` is no failure; everything else that clap says is.
fn print_usage(error: &clap::Error) -> ExitCode {
    // Whoever closed the terminal does not want to know.
    let _ = error.print();
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::USAGE),
    }
}

fn run(cli: Cli) -> Result<(), Failure> {
    let settings = load_settings(&cli)?;
    let _log = runtime::init_logging(&settings.log).map_err(failure(exit::USAGE))?;
    let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let threads = threads.map_err(failure(exit::SOFTWARE))?;
    let outcome = threads.block_on(carry_out(cli.command, settings));
    // A read that hangs on a disk must not keep the process.
    threads.shutdown_timeout(LEFT_OVER_WORK);
    outcome
}

async fn carry_out(command: Option<Command>, settings: Settings) -> Result<(), Failure> {
    match command {
        Some(command) => {
            let done = commands::run(&settings, command).await;
            done.map_err(|error| (error.to_string(), error.exit_code()))
        }
        None => serve(settings).await,
    }
}

fn load_settings(cli: &Cli) -> Result<Settings, Failure> {
    // Variables that are no text are somebody else's.
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    Settings::load(cli.config.as_deref(), std::env::vars_os().filter_map(text)).map_err(failure(exit::USAGE))
}

async fn serve(settings: Settings) -> Result<(), Failure> {
    let asked_to_end = runtime::shutdown_signal().map_err(failure(exit::SOFTWARE))?;
    let app = all_in_one::start(settings, StartOptions::default())
        .await
        .map_err(|error| (error.to_string(), error.exit_code()))?;
    // Nobody may be reading.
    let _ = std::io::stdout().write_all(app.banner().as_bytes());
    let asked = tokio::select! {
        () = asked_to_end.cancelled() => true,
        () = app.ended() => false,
    };
    app.shutdown().await.map_err(failure(exit::SOFTWARE))?;
    if asked {
        Ok(())
    } else {
        Err((
            "a part of the system ended by itself; the log says which".to_owned(),
            exit::SOFTWARE,
        ))
    }
}

fn failure<E: Display>(code: u8) -> impl FnOnce(E) -> Failure {
    move |error| (error.to_string(), code)
}

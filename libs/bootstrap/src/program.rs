//! What every binary does: read the configuration, start the log, the threads and the traces, run, and turn failures into a
//! sentence and an exit code.

use std::ffi::OsString;
use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use runtime::settings::ConfigProblem;
use runtime::{Settings, exit};
use telemetry::trace::{Kind, Span};

use crate::traces::Traces;

/// How long threads may go on with what nobody waits for any more.
const LEFT_OVER_WORK: Duration = Duration::from_secs(1);

/// A sentence for whoever started the process, and what to exit with.
#[derive(Debug)]
pub struct Failure {
    /// The sentence.
    pub sentence: String,
    /// The exit code.
    pub code: u8,
}

impl Failure {
    /// An error as it stands.
    pub fn new(error: impl Display, code: u8) -> Self {
        Self {
            sentence: error.to_string(),
            code,
        }
    }

    /// For `map_err`.
    pub fn with<E: Display>(code: u8) -> impl FnOnce(E) -> Self {
        move |error| Self::new(error, code)
    }
}

/// Something that serves and can be ended.
pub trait Started {
    /// Waits until a part of it has ended by itself, which none should.
    fn ended(&self) -> impl Future<Output = ()>;

    /// Ends it in good order.
    fn shutdown(self) -> impl Future<Output = Result<(), crate::Overdue>>;
}

/// Serves what `start` starts until the process is asked to end.
async fn serve<S: Started>(start: impl Future<Output = Result<S, Failure>>) -> Result<(), Failure> {
    let asked_to_end = runtime::shutdown_signal().map_err(Failure::with(exit::SOFTWARE))?;
    let span = Span::root(Kind::Internal, "start");
    let started = tokio::select! {
        () = asked_to_end.cancelled() => return Ok(()),
        started = span.cover(start) => started.inspect_err(|failure| span.fail(format!("exit_{}", failure.code)))?,
    };
    span.end();
    let asked = tokio::select! {
        () = asked_to_end.cancelled() => true,
        () = started.ended() => false,
    };
    started.shutdown().await.map_err(Failure::with(exit::SOFTWARE))?;
    tracing::info!("everything has ended");
    if asked {
        Ok(())
    } else {
        Err(Failure::new(
            "a part of the system ended by itself; the log says which",
            exit::SOFTWARE,
        ))
    }
}

/// Runs a binary: serves what `start` starts, or carries out `command` where there is one. What `demands` finds wrong with
/// the settings, for the one or the other, is told with all else that is.
pub fn run<S, C>(
    program: &str,
    config: Option<&Path>,
    command: Option<C>,
    demands: impl FnOnce(&Settings, Option<&C>) -> Vec<ConfigProblem>,
    start: impl AsyncFnOnce(Settings) -> Result<S, Failure>,
    carry_out: impl AsyncFnOnce(Settings, C) -> Result<(), Failure>,
) -> ExitCode
where
    S: Started,
{
    let outcome = || {
        let settings = load_settings(config, |settings| demands(settings, command.as_ref()))?;
        let _log = runtime::init_logging(&settings.log).map_err(Failure::with(exit::USAGE))?;
        let threads = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let threads = threads.map_err(Failure::with(exit::SOFTWARE))?;
        let ended = if let Some(command) = command {
            threads.block_on(carry_out(settings, command))
        } else {
            let _traces = Traces::start(program, &settings.otlp, &threads)?;
            threads.block_on(serve(start(settings)))
        };
        // A read that hangs on a disk must not keep the process.
        threads.shutdown_timeout(LEFT_OVER_WORK);
        ended
    };
    match outcome() {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { sentence, code }) => {
            eprintln!("{program}: {sentence}");
            ExitCode::from(code)
        }
    }
}

/// The configuration, or all that is wrong with it.
fn load_settings(
    config: Option<&Path>,
    demands: impl FnOnce(&Settings) -> Vec<ConfigProblem>,
) -> Result<Settings, Failure> {
    // Variables that are no text are somebody else's.
    let text = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let variables = std::env::vars_os().filter_map(text);
    Settings::load_for(config, variables, demands).map_err(Failure::with(exit::USAGE))
}

/// What clap says: `--help` is no failure; everything else is.
pub fn print_usage(error: &clap::Error) -> ExitCode {
    // Whoever closed the terminal does not want to know.
    let _ = error.print();
    match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(exit::USAGE),
    }
}

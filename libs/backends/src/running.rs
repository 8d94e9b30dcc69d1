//! A running service, and the program around it.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use bootstrap::{CLOSE_STORES, Failure, Listeners, Overdue, Process, Stage, Started, Wiring};
use clap::{CommandFactory, FromArgMatches, Parser};
use runtime::Settings;
use storage_postgres::{PostgresPool, PostgresTweets};

use crate::{Backends, demands};

/// A service that runs on these backends.
pub struct Running {
    process: Process,
    tweets: Arc<PostgresTweets>,
    pool: PostgresPool,
}

impl Running {
    /// Serves. The service adds its parts, and then says that it is ready.
    pub fn start(
        settings: &Settings,
        listeners: Listeners,
        mut wiring: Wiring,
        backends: &Backends,
        tweets: Arc<PostgresTweets>,
    ) -> Self {
        backends.pool().register(&mut wiring.metrics);
        let process = Process::start(settings, listeners, wiring);
        let node = Arc::clone(backends.node());
        process.spawn(Stage::Background, "Redis", |shutdown| async move {
            node.run(shutdown).await;
        });
        Self {
            process,
            tweets,
            pool: backends.pool().clone(),
        }
    }

    /// The process.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Everything is there: requests may come.
    #[must_use]
    pub fn ready(self, service: &str) -> Self {
        self.process.set_ready();
        let public = self.process.public_addr().map(tracing::field::display);
        tracing::info!(service, public, internal = %self.process.internal_addr(), "serving");
        self
    }
}

impl Started for Running {
    async fn ended(&self) {
        self.process.ended().await;
    }

    /// Ends it: the process, then what is queued in the stores.
    async fn shutdown(self) -> Result<(), Overdue> {
        let ended = self.process.shutdown().await;
        let closed = self.tweets.close(CLOSE_STORES).await;
        self.pool.close();
        match (ended, closed) {
            (ended, true) => ended,
            (Ok(()), false) => Err(Overdue(vec!["the store of tweets"])),
            (Err(Overdue(mut parts)), false) => {
                parts.push("the store of tweets");
                Err(Overdue(parts))
            }
        }
    }
}

/// The command line of a service that has no commands.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// File of settings (TOML). Environment variables win over it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// What is given to the program of this name.
fn arguments(name: &'static str, given: impl IntoIterator<Item = OsString>) -> Result<Arguments, clap::Error> {
    let matches = Arguments::command().name(name).try_get_matches_from(given)?;
    Arguments::from_arg_matches(&matches)
}

/// The program of a service that has no commands, and needs these settings.
pub fn program(
    name: &'static str,
    needed: &[&'static str],
    start: impl AsyncFnOnce(Settings) -> Result<Running, Failure>,
) -> ExitCode {
    enum Never {}
    match arguments(name, env::args_os()) {
        Ok(arguments) => bootstrap::run(
            name,
            arguments.config.as_deref(),
            None,
            |settings, _| demands(settings, needed),
            start,
            async |_, never: Never| match never {},
        ),
        Err(error) => bootstrap::print_usage(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_says_its_own_name_and_version() {
        let given = ["/usr/local/bin/fan-out", "--version"].map(OsString::from);
        let said = arguments("fan-out", given).unwrap_err().to_string();
        assert_eq!(said, format!("fan-out {}\n", env!("CARGO_PKG_VERSION")));
    }
}

//! What operators do from the command line, on the stores that the services run on.

mod explain;

use bootstrap::Failure;
use clap::Subcommand;
use runtime::Settings;

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Say why a tweet is, or is not, in somebody's home timeline.
    ///
    /// The answer comes first, then what each rule came to; docs/explain.md says what they mean.
    Explain(explain::Explain),
}

/// Carries out a command.
pub(crate) async fn run(settings: Settings, command: Command) -> Result<(), Failure> {
    match command {
        Command::Explain(asked) => explain::run(&settings, asked).await,
    }
}

//! What operators do from the command line, on the stores themselves, whether or not services run.

mod explain;
mod rebuild;

use backends::BackendError;
use bootstrap::Failure;
use clap::Subcommand;
use model::{AccountName, UserId};
use runtime::{Settings, exit};
use storage::{Deadline, GraphStore};

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Compute stored home timelines anew, from follows and tweets, while the services run.
    ///
    /// A timeline serves until the new one takes its place. Where a user has none, none is made. With --all it walks over all
    /// that are stored; run it again when it was stopped or when some failed: it does all of them again, which does no harm.
    Rebuild(rebuild::Which),
    /// Say why a tweet is, or is not, in somebody's home timeline.
    ///
    /// The answer comes first, then what each rule came to; docs/explain.md says what they mean.
    Explain(explain::Explain),
}

impl Command {
    /// The settings that it needs.
    pub(crate) const fn needs(&self) -> &'static [&'static str] {
        match self {
            Self::Rebuild(_) => &["postgres.url", "redis.url", "follow_graph.url"],
            Self::Explain(_) => &["postgres.url", "redis.url"],
        }
    }
}

/// Carries out a command.
pub(crate) async fn run(settings: Settings, command: Command) -> Result<(), Failure> {
    match command {
        Command::Rebuild(which) => rebuild::run(&settings, which).await,
        Command::Explain(asked) => explain::run(&settings, asked).await,
    }
}

/// The account that an operator names.
async fn account(graph: &dyn GraphStore, user: AccountName, deadline: Deadline) -> Result<UserId, Failure> {
    let handle = match user {
        AccountName::Id(id) => return Ok(id),
        AccountName::Handle(handle) => handle,
    };
    let found = graph
        .user_by_handle(&handle, deadline)
        .await
        .map_err(BackendError::from)?;
    let sentence = format!("there is no account with the handle {handle}");
    found
        .map(|user| user.id)
        .ok_or_else(|| Failure::new(sentence, exit::NO_USER))
}

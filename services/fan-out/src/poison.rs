//! Events that were set aside: shown, and handed to the workers once more.

use backends::{Backends, require};
use bootstrap::Failure;
use clap::Subcommand;
use runtime::{Settings, exit};
use storage_redis::{RedisEventLog, SetAside};

/// How many are shown, or replayed, in one go.
const AT_ONCE: usize = 10_000;

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Events that were set aside.
    Poison {
        /// What to do with them.
        #[command(subcommand)]
        action: Action,
    },
}

/// What to do with events that were set aside.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show them, and why they were set aside.
    List,
    /// Hand them to the workers once more.
    Replay,
}

/// Carries out a command.
pub(crate) async fn run(settings: Settings, command: Command) -> Result<(), Failure> {
    require(&settings, &["postgres.url", "redis.url"])?;
    let Command::Poison { action } = command;
    let backends = Backends::connect(&settings, "fan-out").await?;
    let log = backends.event_log(backends.tweets()).await?;
    let aside = log
        .list_aside(AT_ONCE)
        .await
        .map_err(Failure::with(exit::UNAVAILABLE))?;
    match action {
        Action::List => aside.iter().for_each(show),
        Action::Replay => replay(&log, &aside).await?,
    }
    println!(
        "events set aside: {}",
        log.count_aside().await.map_err(Failure::with(exit::UNAVAILABLE))?
    );
    Ok(())
}

fn show(aside: &SetAside) {
    let SetAside {
        name, reason, tries, ..
    } = aside;
    let what = aside.event.as_ref().map_or_else(
        || format!("{:?}", aside.fields),
        |event| format!("the tweet {} of {}", event.body.tweet(), event.body.author()),
    );
    println!("{name}: {reason:?}, tries: {tries}, {what}");
}

async fn replay(log: &RedisEventLog, aside: &[SetAside]) -> Result<(), Failure> {
    for one in aside {
        let replayed = log.replay(one).await.map_err(Failure::with(exit::UNAVAILABLE))?;
        let verdict = if replayed {
            "replayed"
        } else {
            "not set aside any longer"
        };
        println!("{}: {verdict}", one.name);
    }
    Ok(())
}

//! Events and chunks that were set aside: shown, and handed to the workers once more.

use std::time::Duration;

use backends::Backends;
use bootstrap::Failure;
use clap::Subcommand;
use model::UserId;
use runtime::{Settings, exit};
use storage::{Deadline, DeliveryStore, PendingChunk, StoreError};
use storage_redis::{RedisEventLog, SetAside};

/// How many are shown, or replayed, in one go.
const AT_ONCE: usize = 10_000;

/// How long a look at the books may take.
const WITHIN: Duration = Duration::from_secs(30);

/// What to do instead of serving.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Events, and chunks of huge authors' deliveries, that were set aside.
    Poison {
        /// What to do with them.
        #[command(subcommand)]
        action: Action,
    },
}

/// What to do with what was set aside.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Show it, and why it was set aside.
    List,
    /// Hand it to the workers once more.
    Replay,
}

/// The settings that its commands need.
pub(crate) const NEEDS: &[&str] = &["postgres.url", "redis.url"];

/// Carries out a command.
pub(crate) async fn run(settings: Settings, command: Command) -> Result<(), Failure> {
    let Command::Poison { action } = command;
    let backends = Backends::connect(&settings, "fan-out").await?;
    let deliveries = backends.deliveries();
    let log = backends.event_log(backends.tweets()).await?;
    let aside = log.list_aside(AT_ONCE).await.map_err(unavailable)?;
    match action {
        Action::List => {
            aside.iter().for_each(show);
            let chunks = deliveries.list_aside(AT_ONCE, deadline()).await.map_err(unavailable)?;
            chunks.iter().for_each(show_chunk);
            println!("chunks set aside: {}", chunks.len());
        }
        Action::Replay => {
            replay(&log, &aside).await?;
            let replayed = deliveries.replay_aside(deadline()).await.map_err(unavailable)?;
            println!("chunks replayed: {replayed}");
        }
    }
    println!("events set aside: {}", log.count_aside().await.map_err(unavailable)?);
    Ok(())
}

fn unavailable(error: StoreError) -> Failure {
    Failure::with(exit::UNAVAILABLE)(error)
}

fn deadline() -> Deadline {
    Deadline::after(WITHIN)
}

fn show_chunk(chunk: &PendingChunk) {
    let PendingChunk {
        tweet,
        author,
        plan,
        tries,
        ..
    } = chunk;
    let after = plan.after.map_or(0, UserId::get);
    println!(
        "chunk {} of the tweet {tweet} of {author}: tries: {tries}, followers above {after} up to {}",
        plan.number, plan.last
    );
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
        let replayed = log.replay(one).await.map_err(unavailable)?;
        let verdict = if replayed {
            "replayed"
        } else {
            "not set aside any longer"
        };
        println!("{}: {verdict}", one.name);
    }
    Ok(())
}

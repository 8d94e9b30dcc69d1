//! Memory that full home timelines take, by the store's own count and by the process's.

use std::sync::Arc;

use anyhow::Result;
use clap::Args;
use model::{ActorVersion, Coverage, SystemClock, TweetId, UserId};
use storage::{Built, Deadline, PushBatch, TimelineStore};
use storage_memory::{MemoryTimelineOptions, MemoryTimelines};

use crate::memory;
use crate::population::PATIENCE;

/// How many, how long.
#[derive(Args)]
pub(crate) struct Options {
    /// How many timelines.
    #[arg(long, default_value_t = 100_000)]
    timelines: u64,
    /// Entries in each.
    #[arg(long, default_value_t = 800)]
    window: usize,
    /// Timelines that grow by pushes, a tweet at a time, instead of being built full.
    #[arg(long)]
    pushed: bool,
}

/// Fills them and says what they take.
#[expect(clippy::cast_precision_loss, reason = "figures for people")]
pub(crate) async fn run(options: &Options) -> Result<()> {
    let before = memory::resident_bytes()?;
    let store = filled(options.timelines, options.window, options.pushed).await?;
    let resident = memory::resident_bytes()?.saturating_sub(before);
    let stats = store.stats().await?;
    let entries = stats.entries as f64;
    println!("{} timelines, {} entries", stats.timelines, stats.entries);
    println!(
        "counted by the store:    {:.2} bytes an entry",
        stats.bytes as f64 / entries
    );
    println!(
        "resident in the process: {:.2} bytes an entry",
        resident as f64 / entries
    );
    Ok(())
}

/// A store with this many full timelines, of users from 1.
pub(crate) async fn filled(timelines: u64, window: usize, pushed: bool) -> Result<Arc<MemoryTimelines>> {
    let options = MemoryTimelineOptions {
        window,
        memory_bytes: u64::MAX >> 1,
    };
    let store = MemoryTimelines::new(Arc::new(SystemClock), options);
    let ids: Vec<TweetId> = (1..=window as u64).map(TweetId::new).collect();
    for user in (1..=timelines).map(UserId::new) {
        let built = Built {
            ids: if pushed { Vec::new() } else { ids.clone() },
            coverage: Coverage {
                complete_from: TweetId::MIN,
                holds: ActorVersion(0),
            },
        };
        let ticket = store.begin_build(user, Deadline::after(PATIENCE)).await?;
        store.install(ticket, built, Deadline::after(PATIENCE)).await?;
    }
    if pushed {
        for id in &ids {
            let mut pairs = (1..=timelines).map(|user| (UserId::new(user), *id)).collect();
            store
                .push(&PushBatch::group(&mut pairs), Deadline::after(PATIENCE))
                .await?;
        }
    }
    Ok(store)
}

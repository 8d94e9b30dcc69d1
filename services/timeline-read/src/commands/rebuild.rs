//! `timeline-read rebuild`.

use std::sync::Arc;
use std::time::Duration;

use backends::Backends;
use bootstrap::Failure;
use clap::Args;
use model::AccountName;
use runtime::{Progress, Settings, exit};
use storage::{Deadline, StoreError};
use timeline_read::{AuditSettings, RebuildCounts, Rebuilt, TimelineRead, TimelineReadSettings};
use tokio_util::sync::CancellationToken;

use super::account;
use crate::{ports, service_settings};

const LOOK_UP_WITHIN: Duration = Duration::from_secs(10);

/// One build waits out what others may still believe, and little else.
const REBUILD_WITHIN: Duration = Duration::from_mins(1);

/// What goes on behind ends with the command. Nothing is lost when it is late.
const END_WITHIN: Duration = Duration::from_secs(5);

/// Whose timelines.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Which {
    /// That of this account: a handle or an id. Digits are an id, unless @ stands before them.
    #[arg(long)]
    user: Option<AccountName>,
    /// Everybody who has one.
    #[arg(long)]
    all: bool,
}

/// Rebuilds. Fails when a timeline that is stored was not computed anew.
pub(crate) async fn run(settings: &Settings, which: Which) -> Result<(), Failure> {
    let whose = if which.all { None } else { which.user };
    let backends = Backends::connect(settings, "timeline-read").await?;
    let (ports, _, replica) = ports(&backends).await?;
    let service_settings = TimelineReadSettings {
        audit: AuditSettings::OFF,
        ..service_settings(settings)
    };
    let service = TimelineRead::new(ports, service_settings, backends.clock());
    let ending = CancellationToken::new();
    let behind = tokio::spawn({
        let (node, service, ending) = (Arc::clone(backends.node()), Arc::clone(&service), ending.clone());
        async move {
            tokio::join!(
                node.run(ending.clone()),
                replica.run(ending.clone()),
                service.run(ending)
            );
        }
    });
    let done = match whose {
        Some(user) => one(&backends, &service, user).await,
        None => all(&service).await,
    };
    ending.cancel();
    _ = tokio::time::timeout(END_WITHIN, behind).await;
    done
}

async fn one(backends: &Backends, service: &TimelineRead, name: AccountName) -> Result<(), Failure> {
    let user = account(&*backends.graph(), name.clone(), Deadline::after(LOOK_UP_WITHIN)).await?;
    let rebuilt = service.rebuild(user, Deadline::after(REBUILD_WITHIN)).await;
    match rebuilt.map_err(unavailable)? {
        Rebuilt::Anew => println!("the home timeline of {name} was computed anew"),
        Rebuilt::Gone => println!("{name} has no stored home timeline: there is nothing to compute anew"),
    }
    Ok(())
}

async fn all(service: &TimelineRead) -> Result<(), Failure> {
    let total = service.stored_timelines().await.map_err(unavailable)?;
    let mut progress = Progress::things("computing timelines anew", total);
    let mut so_far = RebuildCounts::default();
    let rebuilt = service.rebuild_all(|counts| {
        so_far = counts;
        progress.set(counts.total());
    });
    let rebuilt = rebuilt.await;
    drop(progress);
    match rebuilt {
        Ok(counts) => {
            println!("{counts}");
            if counts.failed == 0 {
                return Ok(());
            }
            Err(Failure::new(
                "some timelines are as they were: run it again",
                exit::TEMPORARY,
            ))
        }
        Err(error) => {
            println!("{so_far}");
            let sentence = format!("not all timelines were reached: {error}. Run it again");
            Err(Failure::new(sentence, exit::UNAVAILABLE))
        }
    }
}

fn unavailable(error: StoreError) -> Failure {
    Failure::with(exit::UNAVAILABLE)(error)
}

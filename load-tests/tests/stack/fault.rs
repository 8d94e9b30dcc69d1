//! What befalls a stack.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use test_support::{Part, Stack, Stop};

/// One misfortune, from which the stack recovers by itself once everything runs again.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Fault {
    /// `kill -9` of the first replica of a part, which is started again.
    Kill(&'static str),
    /// `kill -9` of all services at once.
    KillServices,
    /// `kill -9` of Redis, which comes back without its data.
    EmptyRedis,
    /// `kill -9` of Redis, which comes back with what it had two seconds before.
    OlderRedis,
}

impl Fault {
    /// Each kind.
    pub(crate) const ALL: [Self; 9] = [
        Self::Kill("tweet-ingest"),
        Self::Kill("fan-out"),
        Self::Kill("timeline-read"),
        Self::Kill("follow-graph"),
        Self::KillServices,
        Self::Kill("postgres"),
        Self::Kill("redis"),
        Self::EmptyRedis,
        Self::OlderRedis,
    ];

    /// It happens. Ends when all parts are ready again.
    pub(crate) async fn befall(self, stack: &Stack) -> io::Result<()> {
        match self {
            Self::Kill(name) => {
                let part = stack.part(name, 0);
                part.end(Stop::Abrupt).await?;
                tokio::time::sleep(Duration::from_millis(500)).await;
                part.start()?;
                stack.wait_ready().await
            }
            Self::KillServices => stack.restart_services(Stop::Abrupt).await,
            Self::EmptyRedis => come_back_with(stack, |folder| fs::create_dir(folder)).await,
            Self::OlderRedis => {
                let older = redis_folder(stack).with_extension("older");
                // In one piece: what is copied while it is written is no file that a server ever had.
                let redis = stack.part("redis", 0);
                redis.pause()?;
                let copied = copy(&redis_folder(stack), &older);
                redis.resume()?;
                copied?;
                tokio::time::sleep(Duration::from_secs(2)).await;
                come_back_with(stack, |folder| fs::rename(older, folder)).await
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(name) => write!(f, "kill -9 of {name}"),
            Self::KillServices => f.write_str("kill -9 of all services at once"),
            Self::EmptyRedis => f.write_str("kill -9 of Redis and its data"),
            Self::OlderRedis => f.write_str("kill -9 of Redis, and an older file"),
        }
    }
}

/// Kills Redis, removes its folder and starts it with another, which `make` makes.
async fn come_back_with(stack: &Stack, make: impl FnOnce(&Path) -> io::Result<()>) -> io::Result<()> {
    let redis = stack.part("redis", 0);
    redis.end(Stop::Abrupt).await?;
    let folder = redis_folder(stack);
    fs::remove_dir_all(&folder)?;
    make(&folder)?;
    redis.start()?;
    stack.wait_ready().await
}

/// Removes what a node of a cluster has kept, but for which slots it has.
pub(crate) fn forget_data(node: &Part) -> io::Result<()> {
    for entry in fs::read_dir(node.option("--dir").unwrap())? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != "nodes.conf" {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn redis_folder(stack: &Stack) -> PathBuf {
    PathBuf::from(stack.part("redis", 0).option("--dir").unwrap())
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

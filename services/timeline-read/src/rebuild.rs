//! Stored timelines are derived data, and can be computed anew while they serve: somebody's, or everybody's.
//!
//! A rebuild goes the way of every build ([`crate::build`]): live pushes have somewhere to go, the old timeline serves until
//! the new one is installed, and of two builds only the later is. It makes no timeline where there is none.

use std::fmt;

use futures::StreamExt;
use futures::stream;
use model::UserId;
use storage::{Deadline, StoreError, WalkPlace};

use crate::build::Outcome;
use crate::service::TimelineRead;

/// Rebuilds that are under way at the same time. Most of the time of each is spent waiting; how many ask the stores is
/// bounded by [`crate::TimelineReadSettings::builders`].
const AT_ONCE: usize = 256;

/// Users that a page of the walk over all has, about.
const PAGE: usize = 1_000;

/// How often a rebuild is begun again because another build got in between.
const ATTEMPTS: usize = 5;

/// What a rebuild of one timeline came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rebuilt {
    /// The timeline has been computed anew.
    Anew,
    /// There is none: the user has not read for long, or the account is deleted.
    Gone,
}

/// What the rebuild of many came to, so far or in the end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RebuildCounts {
    /// Timelines that were computed anew.
    pub rebuilt: u64,
    /// Timelines that were gone when it was their turn.
    pub gone: u64,
    /// Timelines that are as they were, since a store failed.
    pub failed: u64,
}

impl fmt::Display for RebuildCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rebuilt, gone, failed } = self;
        write!(
            f,
            "timelines computed anew: {rebuilt}, gone meanwhile: {gone}, failed: {failed}"
        )
    }
}

impl RebuildCounts {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.rebuilt + self.gone + self.failed
    }

    fn add(&mut self, user: UserId, outcome: Result<Rebuilt, StoreError>) {
        match outcome {
            Ok(Rebuilt::Anew) => self.rebuilt += 1,
            Ok(Rebuilt::Gone) => self.gone += 1,
            Err(error) => {
                tracing::warn!(%user, %error, "a timeline was not computed anew");
                self.failed += 1;
            }
        }
    }
}

impl TimelineRead {
    /// Computes a user's stored timeline anew. [`TimelineRead::run`] must be running.
    pub async fn rebuild(&self, user: UserId, deadline: Deadline) -> Result<Rebuilt, StoreError> {
        for _ in 0..ATTEMPTS {
            match self.ports.timelines.inspect(user, deadline).await {
                Ok(None) => return Ok(Rebuilt::Gone),
                // What lies there is no timeline: one takes its place.
                Ok(Some(_)) | Err(StoreError::Corrupt { .. }) => {}
                Err(error) => return Err(error),
            }
            match self.builder.rebuild(user, deadline).await? {
                Outcome::InOrder => return Ok(Rebuilt::Anew),
                Outcome::NoAccount => return Ok(Rebuilt::Gone),
                Outcome::Superseded => {}
            }
        }
        Err(StoreError::unavailable(
            "home timelines",
            "another build got in between again and again",
        ))
    }

    /// Computes all stored timelines anew, and tells `progress` how far it is. Begun again, it does them all again, which does
    /// no harm. An error means that some were not even found.
    pub async fn rebuild_all(&self, mut progress: impl FnMut(RebuildCounts)) -> Result<RebuildCounts, StoreError> {
        let mut counts = RebuildCounts::default();
        let mut place = Some(WalkPlace::default());
        while let Some(from) = place {
            let page = self.ports.timelines.walk(from, PAGE, self.builder.deadline()).await?;
            let rebuilding = page.users.into_iter().map(|user| self.rebuild_of_many(user));
            let mut rebuilding = stream::iter(rebuilding).buffer_unordered(AT_ONCE);
            while let Some((user, outcome)) = rebuilding.next().await {
                counts.add(user, outcome);
                progress(counts);
            }
            place = page.next;
        }
        Ok(counts)
    }

    async fn rebuild_of_many(&self, user: UserId) -> (UserId, Result<Rebuilt, StoreError>) {
        (user, self.rebuild(user, self.builder.patience()).await)
    }

    /// How many timelines there are to be computed anew, about.
    pub async fn stored_timelines(&self) -> Result<u64, StoreError> {
        Ok(self.ports.timelines.stats().await?.timelines)
    }
}

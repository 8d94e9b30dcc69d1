//! The reader's stored home timeline.

use model::{Coverage, TweetId};

use crate::Fault;

/// What the store of timelines has of the reader.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Timeline {
    /// What reads are served from.
    pub built: Option<Built>,
    /// What was pushed since the latest build began.
    pub building: Option<Building>,
    /// How many builds have begun.
    pub builds: u8,
}

/// A timeline that was built.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Built {
    /// Oldest first.
    pub ids: Vec<TweetId>,
    /// Its mark and the version whose follows it holds.
    pub coverage: Coverage,
}

/// A build under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Building {
    /// Which one.
    pub ticket: u8,
    /// Pushed since it began.
    pub pushed: Vec<TweetId>,
}

impl Timeline {
    /// Fan-out writes a tweet.
    pub(crate) fn push(&mut self, tweet: TweetId, window: usize, fault: Option<Fault>) {
        if fault == Some(Fault::PushMakesTimeline) && self.built.is_none() {
            self.built = Some(Built {
                ids: Vec::new(),
                coverage: Coverage {
                    complete_from: TweetId::MIN,
                    holds: model::ActorVersion(u64::MAX),
                },
            });
        }
        if let Some(built) = &mut self.built {
            built.insert(&[tweet], window, fault);
        }
        if let Some(building) = &mut self.building
            && !building.pushed.contains(&tweet)
        {
            building.pushed.push(tweet);
            building.pushed.sort_unstable();
        }
    }

    /// Everything that was stored is lost.
    pub(crate) fn lose(&mut self) {
        (self.built, self.building) = (None, None);
    }

    /// Pushes have somewhere to go from now on.
    pub(crate) fn begin_build(&mut self) -> u8 {
        self.builds += 1;
        self.building = Some(Building {
            ticket: self.builds,
            pushed: Vec::new(),
        });
        self.builds
    }

    /// Installs what a build found, if it is still the latest.
    pub(crate) fn install(&mut self, ticket: u8, found: &Built, window: usize, fault: Option<Fault>) {
        let is_its_own = self.building.as_ref().is_some_and(|building| building.ticket == ticket);
        if !is_its_own && fault != Some(Fault::InstallsAnyBuild) {
            return;
        }
        let pushed = self.building.take().map_or_else(Vec::new, |building| building.pushed);
        let mut built = Built {
            ids: Vec::new(),
            coverage: found.coverage,
        };
        built.insert(&found.ids, window, fault);
        built.insert(&pushed, window, fault);
        self.built = Some(built);
    }

    /// Merges tweets of those who were followed since, if it still is what this started from.
    pub(crate) fn backfill(&mut self, found: &Built, held: Coverage, window: usize, fault: Option<Fault>) {
        let Some(built) = &mut self.built else { return };
        if built.coverage.holds != held.holds || built.coverage.complete_from < held.complete_from {
            return;
        }
        built.insert(&found.ids, window, fault);
        built.coverage.holds = found.coverage.holds;
    }
}

impl Built {
    fn insert(&mut self, ids: &[TweetId], window: usize, fault: Option<Fault>) {
        for id in ids {
            if *id >= self.coverage.complete_from && !self.ids.contains(id) {
                self.ids.push(*id);
            }
        }
        self.ids.sort_unstable();
        while self.ids.len() > window {
            let oldest = self.ids.remove(0);
            if fault != Some(Fault::TrimKeepsMark) {
                self.coverage.complete_from = oldest.next();
            }
        }
    }
}

//! timeline-read: builds and backfills (`services/timeline-read/src/build.rs`).

use model::{Coverage, TweetId};

use crate::timeline::Built;
use crate::{Edge, Fault, Rules, SETTLE, State};

/// A build under way: what it is for, and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Build {
    /// What it is for.
    pub job: Job,
    /// How far it has come.
    pub progress: Progress,
}

/// What a timeline lacks.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Job {
    /// Everything: the ticket of a build that has begun.
    Build(u8),
    /// Whom its reader follows since the version that it held.
    Backfill(Coverage),
}

/// How far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Progress {
    /// It is to ask for the follows and the rules.
    Begun,
    /// It waits until nobody holds older follows, from this tick on.
    Waits(Edge, Rules, u8),
    /// It has scanned the tweet store.
    Scanned(Built),
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Takes follows and rules.
    Look(Edge, Rules),
    /// Scans the tweet store.
    Scan,
    /// Installs what it found.
    Install,
}

impl Build {
    /// The steps that it may take.
    pub(crate) fn steps(&self, state: &State, fault: Option<Fault>) -> Vec<Step> {
        match &self.progress {
            Progress::Begun => {
                let edges = state.edge.believable(state.now);
                let rules: Vec<_> = state.rules.believable(state.now).collect();
                edges
                    .flat_map(|edge| rules.iter().map(move |rules| (edge.value, rules.value.clone())))
                    .map(|(edge, rules)| Step::Look(edge, rules))
                    .collect()
            }
            Progress::Waits(_, _, since) if state.now >= since + self.waits(fault) => vec![Step::Scan],
            Progress::Waits(..) => Vec::new(),
            Progress::Scanned(_) => vec![Step::Install],
        }
    }

    fn waits(&self, fault: Option<Fault>) -> u8 {
        match (&self.job, fault) {
            (Job::Build(_), Some(Fault::BuildsWithoutWaiting))
            | (Job::Backfill(_), Some(Fault::BackfillsWithoutWaiting)) => 0,
            _ => SETTLE,
        }
    }

    /// Takes a step; answers what is left to do.
    pub(crate) fn take(mut self, step: Step, state: &mut State, window: usize, fault: Option<Fault>) -> Option<Self> {
        self.progress = match (self.progress, step) {
            (Progress::Begun, Step::Look(edge, rules)) => Progress::Waits(edge, rules, state.now),
            (Progress::Waits(edge, rules, _), Step::Scan) => {
                let (floor, follows_new) = match &self.job {
                    Job::Build(_) => (TweetId::MIN, edge.follows),
                    Job::Backfill(held) => (held.complete_from, edge.follows && edge.actor_version() > held.holds),
                };
                let (ids, complete_from) = if follows_new {
                    pushed(state, &rules, floor, window)
                } else {
                    (Vec::new(), floor)
                };
                if let Job::Backfill(_) = self.job
                    && (complete_from > floor || ids.len() > window)
                {
                    // They alone fill it: only a build can raise its mark.
                    let ticket = state.timeline.begin_build();
                    self.job = Job::Build(ticket);
                    Progress::Begun
                } else {
                    let holds = edge.actor_version();
                    Progress::Scanned(Built {
                        ids,
                        coverage: Coverage { complete_from, holds },
                    })
                }
            }
            (Progress::Scanned(found), Step::Install) => {
                match &self.job {
                    Job::Build(ticket) => {
                        if fault == Some(Fault::BuildsWithoutBeginning) {
                            state.timeline.building = None;
                            let ticket = state.timeline.begin_build();
                            state.timeline.install(ticket, &found, window, fault);
                        } else {
                            state.timeline.install(*ticket, &found, window, fault);
                        }
                    }
                    Job::Backfill(held) => state.timeline.backfill(&found, *held, window, fault),
                }
                return None;
            }
            (progress, step) => unreachable!("{progress:?} cannot take {step:?}"),
        };
        Some(self)
    }
}

/// The author's newest tweets that readers do not pull anyway, by pages of a window, and down to where they are complete.
fn pushed(state: &State, rules: &Rules, floor: TweetId, window: usize) -> (Vec<TweetId>, TweetId) {
    let all: Vec<TweetId> = state.committed().filter(|id| *id >= floor).collect();
    let mut ids = Vec::new();
    let mut seen = 0;
    while ids.len() < window && seen < all.len() {
        let page = &all[seen..all.len().min(seen + window)];
        ids.extend(page.iter().copied().filter(|id| !rules.pulls(*id)));
        seen += page.len();
    }
    let complete_from = if seen < all.len() { all[seen - 1] } else { floor };
    (ids, complete_from)
}

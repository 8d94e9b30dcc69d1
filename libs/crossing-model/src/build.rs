//! timeline-read: builds and backfills (`services/timeline-read/src/build.rs`).

use model::{Coverage, TweetId};

use crate::timeline::Built;
use crate::{AUTHOR, Edge, Fault, Rules, SETTLE, State};

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
    /// It is to ask for the follows.
    Begun,
    /// It waits until nobody holds older ones, from this tick on.
    Waits(Edge, u8),
    /// It goes by these rules, to scan.
    Scans(Edge, Rules),
    /// It has scanned the tweet store.
    Scanned(Built),
}

/// A step of a build.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Takes the follows.
    Look(Edge),
    /// Takes the rules.
    TakeRules(Rules),
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
                edges.map(|edge| Step::Look(edge.value)).collect()
            }
            Progress::Waits(_, since) if state.now >= since + self.waits(fault) => {
                let rules = state.rules.believable(state.now);
                rules.map(|rules| Step::TakeRules(rules.value)).collect()
            }
            Progress::Waits(..) => Vec::new(),
            Progress::Scans(..) => vec![Step::Scan],
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
            (Progress::Begun, Step::Look(edge)) => Progress::Waits(edge, state.now),
            (Progress::Waits(edge, _), Step::TakeRules(rules)) => Progress::Scans(edge, rules),
            (Progress::Scans(edge, rules), Step::Scan) => {
                let (floor, follows_new) = match &self.job {
                    Job::Build(_) => (TweetId::MIN, edge.follows),
                    Job::Backfill(held) => (held.complete_from, edge.follows && edge.actor_version() > held.holds),
                };
                let (ids, complete_from) = if follows_new {
                    pushed(state, &rules, floor, window, fault)
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

/// The author's newest tweets that readers will not always pull, by pages of a window, and down to where they are complete.
fn pushed(
    state: &State,
    rules: &Rules,
    floor: TweetId,
    window: usize,
    fault: Option<Fault>,
) -> (Vec<TweetId>, TweetId) {
    let rules = rules.delivery(state.asked);
    let left_out = |id| match fault {
        Some(Fault::LeavesOutWhatIsPushed) => rules.pulled_ranges(AUTHOR).any(|range| range.contains(id)),
        _ => rules.left_to_readers(AUTHOR).any(|range| range.contains(id)),
    };
    let all: Vec<TweetId> = state.committed().filter(|id| *id >= floor).collect();
    let mut ids = Vec::new();
    let mut seen = 0;
    while ids.len() < window && seen < all.len() {
        let page = &all[seen..all.len().min(seen + window)];
        ids.extend(page.iter().copied().filter(|id| !left_out(*id)));
        seen += page.len();
    }
    let complete_from = if seen < all.len() { all[seen - 1] } else { floor };
    (ids, complete_from)
}

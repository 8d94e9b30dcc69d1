//! timeline-read: a read of the home timeline (`services/timeline-read/src/{service,home,sources}.rs`).

use model::TweetId;
use timeline_read::beside_stored;

use crate::history::Believed;
use crate::timeline::Built;
use crate::{AUTHOR, Edge, Fault, Missing, Rules, State};

/// A read under way.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Read {
    /// What was delivered when it began: what the mark stands for.
    owed: Vec<TweetId>,
    /// How the reader's tweets are delivered, and until when that may be believed.
    rules: Believed<Rules>,
    /// The reader's edge when it began: only while that stands is something owed.
    edge: Edge,
    /// What was stored, once it has looked.
    stored: Lookup,
}

/// What looking for the stored timeline came to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Lookup {
    /// It has not looked yet.
    Ahead,
    /// There is none.
    Absent,
    /// This one.
    Present(Built),
}

/// A step of a read.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Step {
    /// Takes the mark, then the rules.
    Begin(Believed<Rules>),
    /// Looks for the stored timeline.
    LookUp,
    /// Takes the follows, pulls, merges, and answers, unless what it rests on is too old by now.
    Answer,
}

/// The steps that a read may take.
pub(crate) fn steps(state: &State) -> Vec<Step> {
    match &state.read {
        None => state.rules.believable(state.now).map(Step::Begin).collect(),
        Some(Read {
            stored: Lookup::Ahead, ..
        }) => vec![Step::LookUp],
        Some(_) => vec![Step::Answer],
    }
}

/// Takes a step.
pub(crate) fn take(step: Step, state: &mut State, fault: Option<Fault>) {
    match (step, state.read.take()) {
        (Step::Begin(rules), _) => {
            state.read = Some(Read {
                owed: state.done(),
                rules,
                edge: *state.edge.current(),
                stored: Lookup::Ahead,
            });
        }
        (Step::LookUp, Some(mut read)) => {
            read.stored = state.timeline.built.clone().map_or(Lookup::Absent, Lookup::Present);
            state.read = Some(read);
        }
        (Step::Answer, Some(read)) => {
            if state.now < read.rules.until || fault == Some(Fault::BelievesForever) {
                answer(&read, state, fault);
            }
        }
        (step, None) => unreachable!("no read is under way to take {step:?}"),
    }
}

fn answer(read: &Read, state: &mut State, fault: Option<Fault>) {
    let edge = *state.edge.current();
    let shown = shown(read, edge, state, fault);
    let owed = if fault == Some(Fault::TakesMarkLast) {
        &state.done()
    } else {
        &read.owed
    };
    if edge.follows && edge == read.edge {
        let missing = owed.iter().find(|id| !shown.contains(id));
        state.broken = missing.copied().map(Missing);
    }
    for tweet in &mut state.tweets {
        tweet.seen |= shown.contains(&tweet.id);
    }
}

/// What the answer shows.
fn shown(read: &Read, edge: Edge, state: &State, fault: Option<Fault>) -> Vec<TweetId> {
    if !edge.follows {
        return Vec::new();
    }
    let Lookup::Present(stored) = &read.stored else {
        return state.committed().collect();
    };
    let mut coverage = stored.coverage;
    if fault == Some(Fault::IgnoresNewFollows) {
        coverage.holds = edge.actor_version();
    }
    let rules = read.rules.value.delivery(state.asked);
    let sources = beside_stored(&edge.view(), &rules, coverage);
    let pulled = |id: &TweetId| {
        sources
            .iter()
            .any(|source| source.author == AUTHOR && source.range.contains(*id))
    };
    let below = |id: &TweetId| *id < coverage.complete_from;
    let mut shown: Vec<TweetId> = state.committed().filter(|id| below(id) || pulled(id)).collect();
    shown.extend(&stored.ids);
    shown
}

//! Why a tweet is, or is not, in somebody's home timeline.
//!
//! [`TimelineRead::explain`] reads the timeline at this one place by the code that pages are read by, and beside it looks at
//! every fact that this code goes by, and at those that only the books of others know: what fan-out did, which edges the
//! store has. Each rule says of these what it comes to, as a [`Step`]. The tweet is visible exactly when no step hides it
//! and one gives it. What the steps come to and what the read has found are compared, and so is whatever else cannot be true
//! at the same time: that is a step too, a [`Verdict::Contradiction`]. `docs/explain.md` is the page for operators.

mod facts;
mod steps;
mod table;
#[cfg(test)]
mod tests;

use std::time::Duration;

use model::{TweetId, UserId};
use serde::{Deserialize, Serialize};
use storage::{Deadline, StoreError};

use crate::service::{ReadError, TimelineRead};

/// How often a contradiction is looked at before it is told: what changes between two looks seems to contradict itself.
const LOOKS: usize = 3;

/// How long after a look the next one comes, beside what caches may be old.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// A rule, by the name that it has for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// The reader's account is there.
    Reader,
    /// The tweet is there.
    Tweet,
    /// Its author's account is there.
    Author,
    /// The reader follows the author, or is the author.
    Follow,
    /// The reader has not muted the author.
    Mute,
    /// No block stands between the two.
    Block,
    /// What fan-out has recorded of the tweet.
    Delivery,
    /// The part of the author's followers that the reader falls into, where they are many.
    Chunk,
    /// The reader's stored timeline, and how far down it is complete.
    Timeline,
    /// The tweet is among the stored ids.
    Stored,
    /// The read looks it up in the tweet store.
    Pulled,
    /// Fan-out has set it aside, so every read looks it up.
    Aside,
    /// A reply that is shown shows its original.
    Reply,
    /// What a read of the timeline shows.
    Read,
}

impl Rule {
    /// All of them, in the order in which they are told.
    pub const ALL: [Self; 14] = [
        Self::Reader,
        Self::Tweet,
        Self::Author,
        Self::Follow,
        Self::Mute,
        Self::Block,
        Self::Delivery,
        Self::Chunk,
        Self::Timeline,
        Self::Stored,
        Self::Pulled,
        Self::Aside,
        Self::Reply,
        Self::Read,
    ];

    /// Its name in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Tweet => "tweet",
            Self::Author => "author",
            Self::Follow => "follow",
            Self::Mute => "mute",
            Self::Block => "block",
            Self::Delivery => "delivery",
            Self::Chunk => "chunk",
            Self::Timeline => "timeline",
            Self::Stored => "stored",
            Self::Pulled => "pulled",
            Self::Aside => "aside",
            Self::Reply => "reply",
            Self::Read => "read",
        }
    }
}

/// What a rule comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// It does not keep the tweet out.
    Pass,
    /// It keeps the tweet out, whatever others say.
    Hide,
    /// It puts the tweet into the timeline, unless another keeps it out.
    Give,
    /// It does not put the tweet into the timeline, and need not.
    Lack,
    /// It is there to be known; it decides nothing.
    Note,
    /// Two things that cannot both be true. Waiting has not helped: something is broken.
    Contradiction,
}

impl Verdict {
    /// Its name in JSON and in tables.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Hide => "hide",
            Self::Give => "give",
            Self::Lack => "lack",
            Self::Note => "note",
            Self::Contradiction => "contradiction",
        }
    }
}

/// One rule, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The rule.
    pub rule: Rule,
    /// What it came to.
    pub verdict: Verdict,
    /// Why, for people.
    pub detail: String,
}

/// Why a tweet is, or is not, in a home timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Whether a read of the timeline shows it now.
    pub visible: bool,
    /// The rules that were applied, in order.
    pub steps: Vec<Step>,
}

impl Explanation {
    /// The steps with this verdict.
    pub fn with(&self, verdict: Verdict) -> impl Iterator<Item = &Step> {
        self.steps.iter().filter(move |step| step.verdict == verdict)
    }

    /// What the steps come to: nothing hides the tweet and something gives it.
    fn follows_from_its_steps(steps: &[Step]) -> bool {
        let any = |verdict| steps.iter().any(|step| step.verdict == verdict);
        any(Verdict::Give) && !any(Verdict::Hide)
    }
}

impl TimelineRead {
    /// Why this tweet is, or is not, in that user's home timeline. Answers for any two ids. It counts as a read of the
    /// timeline, except that it asks for no build.
    pub async fn explain(&self, reader: UserId, tweet: TweetId, deadline: Deadline) -> Result<Explanation, ReadError> {
        let pause = self.ports.graph.max_staleness() + BETWEEN_LOOKS;
        let mut looks = 0;
        loop {
            let facts = self.facts(reader, tweet, deadline).await?;
            // What it rests on may have been outdated before it was ready: then it was no look.
            if facts.are_believable() {
                looks += 1;
                let explanation = steps::explain(&facts);
                if looks == LOOKS || explanation.with(Verdict::Contradiction).next().is_none() {
                    return Ok(explanation);
                }
            }
            if deadline.remaining() <= pause {
                return Err(StoreError::Timeout {
                    store: "the follow graph",
                }
                .into());
            }
            tokio::time::sleep(pause).await;
        }
    }
}

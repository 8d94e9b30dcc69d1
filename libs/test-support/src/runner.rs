//! Runs a history against a system and compares each answer with the oracle's.
//!
//! A history is one thread of time: each step ends before the next begins (a [`Step::Race`] is one step), so that the
//! oracle knows the state that each answer must reflect. What goes on beside it, fan-out above all, is the system's own.

mod explanations;
mod reads;
mod writes;

use std::collections::BTreeMap;
use std::fmt;

use model::{TweetId, UserId};
use rand::RngExt;

use crate::client::{Client, TweetBody};
use crate::history::{History, Label, Seat, Step};
use crate::knowledge::Knowledge;
use crate::oracle::Oracle;
use crate::system::System;
use crate::transport::ClientError;
use crate::view::{Fault, Mark, Scroll};

/// The system broke a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// At which step; the number of steps itself for the comparison at the end.
    pub step: usize,
    /// Which rule, and how.
    pub message: String,
}

impl Violation {
    /// A violation at a step.
    pub fn new(step: usize, message: impl Into<String>) -> Self {
        Self {
            step,
            message: message.into(),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at step {}: {}", self.step, self.message)
    }
}

/// Runs the history on accounts of its own, lets everything settle, and compares everything once more.
pub async fn run(system: &dyn System, history: &History) -> Result<(), Violation> {
    let mut runner = Runner::new(system);
    for (number, step) in history.steps.iter().enumerate() {
        let done = runner.take(step).await;
        done.map_err(|wrong| Violation::new(number, format!("{step}: {wrong}")))?;
    }
    let done = runner.compare_all().await;
    done.map_err(|wrong| Violation::new(history.steps.len(), format!("at the end: {wrong}")))
}

/// What was wrong with a step.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error(transparent)]
    Answer(#[from] ClientError),
    #[error("{0}")]
    Rule(String),
}

type Checked<T = ()> = Result<T, Wrong>;

fn broken<T>(message: impl Into<String>) -> Checked<T> {
    Err(Wrong::Rule(message.into()))
}

/// Whoever sits on a seat.
#[derive(Debug, Clone)]
struct Member {
    seat: Seat,
    id: UserId,
    handle: String,
    token: String,
}

/// A scroll that is under way.
struct OpenScroll {
    reader: Member,
    scroll: Scroll,
    cursor: Option<String>,
}

/// A mark that a reader holds.
struct HeldMark {
    reader: Member,
    mark: Mark,
    cursor: String,
}

struct Runner<'a> {
    system: &'a dyn System,
    client: Client,
    /// Tells this history's handles from all others'.
    prefix: String,
    oracle: Oracle,
    knowledge: Knowledge,
    members: BTreeMap<Seat, Member>,
    tweets: BTreeMap<Label, TweetBody>,
    labels: BTreeMap<TweetId, Label>,
    scrolls: BTreeMap<Label, OpenScroll>,
    marks: BTreeMap<Label, HeldMark>,
    /// Whose deliveries are held back.
    held: Vec<Seat>,
    /// How often explanations were asked for.
    explained: usize,
}

impl<'a> Runner<'a> {
    fn new(system: &'a dyn System) -> Self {
        let number: u64 = rand::rng().random();
        Self {
            system,
            client: Client::new(system.public()),
            prefix: format!("h{:010x}", number >> 24),
            oracle: Oracle::new(system.following_limit()),
            knowledge: Knowledge::default(),
            members: BTreeMap::new(),
            tweets: BTreeMap::new(),
            labels: BTreeMap::new(),
            scrolls: BTreeMap::new(),
            marks: BTreeMap::new(),
            held: Vec::new(),
            explained: 0,
        }
    }

    async fn take(&mut self, step: &Step) -> Checked {
        match step {
            Step::Settle => self.settle().await,
            Step::HoldDeliveries { of } => {
                self.held = of.clone();
                self.hold_deliveries();
                Ok(())
            }
            Step::Wait { ms } => {
                tokio::time::sleep(std::time::Duration::from_millis(*ms)).await;
                Ok(())
            }
            Step::SetRules(rules) => Ok(self.system.set_rules(*rules).await?),
            Step::Restart(how) => Ok(self.system.restart(*how).await?),
            Step::SignUp(_)
            | Step::DeleteAccount(_)
            | Step::Edge { .. }
            | Step::Post { .. }
            | Step::Race { .. }
            | Step::DeleteTweet { .. } => self.write(step).await,
            _ => self.read(step).await,
        }
    }

    /// Waits until all is delivered; from now on nothing excuses a tweet that lacks. Every home timeline is compared.
    async fn settle(&mut self) -> Checked {
        let undelivered = self.knowledge.undelivered(&self.oracle);
        let (there, gone): (Vec<_>, Vec<_>) = undelivered
            .into_iter()
            .partition(|&tweet| self.oracle.tweet_visible(tweet, None));
        self.system.hold_deliveries(&[]);
        self.system.settle(&there).await?;
        self.hold_deliveries();
        self.knowledge.delivered(there.into_iter().chain(gone));
        for member in self.present() {
            let limit = 1 + self.oracle.tweets().len() % 10;
            self.walk_home(&member, limit).await?;
        }
        Ok(())
    }

    fn hold_deliveries(&self) {
        let members = self.held.iter().filter_map(|seat| self.members.get(seat));
        let of: Vec<UserId> = members.map(|member| member.id).collect();
        self.system.hold_deliveries(&of);
    }

    async fn compare_all(&mut self) -> Checked {
        self.held.clear();
        self.settle().await?;
        for (label, held) in std::mem::take(&mut self.marks) {
            self.marks.insert(label, held);
            self.poll(label, 7).await?;
        }
        for member in self.present() {
            self.read_user(&member, &reads::Viewer::Anybody, 5).await?;
            self.read_edges(&member, 2).await?;
            self.read_counts(&member).await?;
        }
        Ok(())
    }

    /// Whoever has signed up and not left.
    fn present(&self) -> Vec<Member> {
        let there = self.members.values().filter(|member| self.oracle.exists(member.id));
        there.cloned().collect()
    }

    fn member(&self, seat: Seat) -> Option<Member> {
        self.members.get(&seat).cloned()
    }

    /// A tweet as the history calls it, with its author.
    fn name(&self, id: TweetId) -> String {
        let author = self.oracle.tweet(id).map(|tweet| tweet.author);
        let author = self.members.values().find(|member| Some(member.id) == author);
        match (self.labels.get(&id), author) {
            (Some(label), Some(author)) => format!("{label} of {}", author.seat),
            _ => format!("tweet {id}, which is not of this history"),
        }
    }

    fn describe(&self, fault: &Fault, shown: &[TweetId]) -> String {
        let names = |ids: &[TweetId]| ids.iter().map(|&id| self.name(id)).collect::<Vec<_>>().join(", ");
        let what = match fault {
            Fault::TooMany => "more than was asked for".to_owned(),
            Fault::OutOfOrder(id) => format!("{} comes again, or too late", self.name(*id)),
            Fault::NotVisible(id) => format!("{} must not be shown", self.name(*id)),
            Fault::Missing(ids) => format!("missing: {}", names(ids)),
        };
        format!("{what} (the page shows {})", names(shown))
    }
}

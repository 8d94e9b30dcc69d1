//! A history: the steps that a few accounts, and an operator, take one after the other.
//!
//! Steps name accounts by seat and tweets, scrolls and marks by label, so that any steps can be left out and the others
//! keep their meaning: a step whose account, tweet, scroll or mark was never made does nothing.

use std::fmt;

use model::{EdgeKind, Strategy};

/// An account of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seat(pub u8);

/// A tweet, a scroll or a mark of a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label(pub u32);

/// How an operator wants tweets to travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// The strategy.
    pub strategy: Strategy,
    /// At this many followers or more an author is pulled.
    pub pull_threshold: u64,
    /// Below this many an author is pushed.
    pub push_threshold: u64,
}

/// How a system is stopped before it starts again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// It may finish what it is doing.
    Graceful,
    /// It may not.
    Abrupt,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Makes an account and logs in.
    SignUp(Seat),
    /// Deletes the account.
    DeleteAccount(Seat),
    /// Makes or removes an edge.
    Edge {
        /// What it means.
        kind: EdgeKind,
        /// Whose it is.
        actor: Seat,
        /// To whom it goes.
        target: Seat,
        /// `PUT` or `DELETE`.
        present: bool,
    },
    /// Posts a tweet, or a reply.
    Post {
        /// Who posts.
        by: Seat,
        /// The tweet's label.
        tweet: Label,
        /// What it answers.
        reply_to: Option<Label>,
        /// Whether the request is sent once more, under the same idempotency key.
        repeat: bool,
    },
    /// Several post at the same time while others read.
    Race {
        /// Who post, and the labels.
        posts: Vec<(Seat, Label)>,
        /// Who read meanwhile.
        readers: Vec<Seat>,
    },
    /// Deletes a tweet.
    DeleteTweet {
        /// Who asks.
        by: Seat,
        /// Which.
        tweet: Label,
    },
    /// Reads a home timeline to its end.
    ReadHome {
        /// Whose.
        reader: Seat,
        /// Page size.
        limit: usize,
    },
    /// Reads the first page of a scroll.
    StartScroll {
        /// The scroll's label.
        scroll: Label,
        /// Whose home timeline.
        reader: Seat,
        /// Page size.
        limit: usize,
    },
    /// Reads one more page.
    ScrollOn {
        /// The scroll.
        scroll: Label,
        /// Page size.
        limit: usize,
    },
    /// Reads a home timeline to its end and keeps its mark.
    TakeMark {
        /// The mark's label.
        mark: Label,
        /// Whose home timeline.
        reader: Seat,
        /// Page size.
        limit: usize,
    },
    /// Reads all that is newer than a mark and moves the mark on.
    Poll {
        /// The mark.
        mark: Label,
        /// Page size.
        limit: usize,
    },
    /// Reads a user timeline to its end.
    ReadUser {
        /// Whose.
        user: Seat,
        /// Who reads.
        viewer: Option<Seat>,
        /// Page size.
        limit: usize,
    },
    /// Reads one tweet.
    ReadTweet {
        /// Which.
        tweet: Label,
        /// Who reads.
        viewer: Option<Seat>,
    },
    /// Reads who follow an account, and whom it follows.
    ReadEdges {
        /// Whose.
        user: Seat,
        /// Page size.
        limit: usize,
    },
    /// Waits until everything is delivered; from then on every answer must be exact.
    Settle,
    /// What these post is accepted and not delivered until the next such step, or until all must be delivered. Meanwhile
    /// what others post overtakes it.
    HoldDeliveries {
        /// Who post; nobody ends it.
        of: Vec<Seat>,
    },
    /// Waits a little, so that what is under way gets on.
    Wait {
        /// How long.
        ms: u64,
    },
    /// An operator changes the rules.
    SetRules(Rules),
    /// The system is stopped and started.
    Restart(Stop),
}

/// A history, and where it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What it was generated from.
    pub seed: u64,
    /// Its steps.
    pub steps: Vec<Step>,
}

impl fmt::Display for Seat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "u{}", self.0)
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for History {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "history of seed {} ({} steps):", self.seed, self.steps.len())?;
        for (number, step) in self.steps.iter().enumerate() {
            writeln!(f, "  {number:>3}  {step}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SignUp(seat) => write!(f, "{seat} signs up"),
            Self::DeleteAccount(seat) => write!(f, "{seat} deletes the account"),
            Self::Edge {
                kind,
                actor,
                target,
                present,
            } => write!(f, "{actor} {} {target}", verb(*kind, *present)),
            Self::Post { .. } | Self::Race { .. } | Self::DeleteTweet { .. } => self.fmt_tweets(f),
            Self::SetRules(rules) => write!(
                f,
                "the operator sets {} (pull from {}, push below {})",
                rules.strategy.as_str(),
                rules.pull_threshold,
                rules.push_threshold
            ),
            Self::Restart(stop) => write!(f, "restart ({stop:?})"),
            Self::Settle => f.write_str("settle"),
            Self::HoldDeliveries { of } => {
                let of: Vec<String> = of.iter().map(Seat::to_string).collect();
                write!(f, "hold back what is posted by [{}]", of.join(", "))
            }
            Self::Wait { ms } => write!(f, "wait {ms} ms"),
            _ => self.fmt_read(f),
        }
    }
}

impl Step {
    fn fmt_tweets(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Post {
                by,
                tweet,
                reply_to,
                repeat,
            } => {
                write!(f, "{by} posts {tweet}")?;
                if let Some(original) = reply_to {
                    write!(f, " in reply to {original}")?;
                }
                f.write_str(if *repeat { ", twice under one key" } else { "" })
            }
            Self::Race { posts, readers } => {
                let posts: Vec<String> = posts.iter().map(|(by, tweet)| format!("{by} posts {tweet}")).collect();
                let readers: Vec<String> = readers.iter().map(Seat::to_string).collect();
                write!(f, "at once: {}; {} read home", posts.join(", "), readers.join(", "))
            }
            Self::DeleteTweet { by, tweet } => write!(f, "{by} deletes {tweet}"),
            other => write!(f, "{other:?}"),
        }
    }

    fn fmt_read(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ReadHome { reader, limit } => write!(f, "{reader} reads home by pages of {limit}"),
            Self::StartScroll { scroll, reader, limit } => write!(f, "{reader} starts scroll {scroll} ({limit})"),
            Self::ScrollOn { scroll, limit } => write!(f, "scroll {scroll} goes on ({limit})"),
            Self::TakeMark { mark, reader, limit } => {
                write!(f, "{reader} reads home by pages of {limit} and keeps mark {mark}")
            }
            Self::Poll { mark, limit } => write!(f, "poll what is newer than mark {mark} ({limit})"),
            Self::ReadUser { user, viewer, limit } => {
                write!(f, "{} reads {user}'s timeline by pages of {limit}", name(*viewer))
            }
            Self::ReadTweet { tweet, viewer } => write!(f, "{} reads {tweet}", name(*viewer)),
            Self::ReadEdges { user, limit } => write!(f, "read {user}'s followers and followees ({limit})"),
            other => write!(f, "{other:?}"),
        }
    }
}

fn name(viewer: Option<Seat>) -> String {
    viewer.map_or_else(|| "somebody".to_owned(), |seat| seat.to_string())
}

fn verb(kind: EdgeKind, present: bool) -> &'static str {
    match (kind, present) {
        (EdgeKind::Follow, true) => "follows",
        (EdgeKind::Follow, false) => "unfollows",
        (EdgeKind::Mute, true) => "mutes",
        (EdgeKind::Mute, false) => "unmutes",
        (EdgeKind::Block, true) => "blocks",
        (EdgeKind::Block, false) => "unblocks",
    }
}

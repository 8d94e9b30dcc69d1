//! What the rules between a reader and an author come to.

use http_kit::time::Rfc3339;
use model::{Coverage, EdgeKind, TweetId, UserId};
use storage::{ChunkState, EdgeRecord};

use super::super::facts::{AuthorFacts, Facts, Read};
use super::super::{Rule, Step, Verdict};
use super::step;
use crate::sources::{Lookup, pulled_from};

/// A reader and an author, both known.
pub(super) struct Pair<'a> {
    facts: &'a Facts,
    author: AuthorFacts,
    read: &'a Read,
    reader: UserId,
    /// Whether the stored timeline has it.
    is_stored: bool,
    /// Whether the read looks for it in the tweet store.
    is_pulled: bool,
}

impl<'a> Pair<'a> {
    pub(super) fn new(facts: &'a Facts, author: AuthorFacts, read: &'a Read) -> Self {
        let below = facts.tweet.next();
        let sources = pulled_from(&read.basis.view, &read.basis.rules, read.lookup.coverage(), below);
        let is_stored = match &read.lookup {
            Lookup::Present(slice) => slice.ids.contains(&facts.tweet),
            Lookup::Absent | Lookup::Unreachable => false,
        };
        Self {
            facts,
            author,
            read,
            reader: facts.reader,
            is_stored,
            is_pulled: sources
                .iter()
                .any(|source| source.author == author.id && source.range.contains(facts.tweet)),
        }
    }

    pub(super) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.is_own() {
            let detail = "its author is the reader, whom no follow, mute or block concerns";
            steps.push(step(Rule::Follow, Verdict::Pass, detail));
        } else {
            steps.extend([self.follow(), self.mute(), self.block()]);
            steps.extend(self.stale_edges());
        }
        steps.push(self.timeline());
        steps.push(self.stored());
        steps.extend(self.hole());
        steps.extend(self.too_new());
        steps.extend([self.pulled(), self.aside(), self.reply()]);
        steps
    }

    fn is_own(&self) -> bool {
        self.author.id == self.reader
    }

    fn is_aside(&self) -> bool {
        self.read.basis.is_set_aside(self.facts.tweet)
    }

    /// The edge of this kind as the store has it.
    fn edge(&self, kind: EdgeKind, actor: UserId) -> Option<&EdgeRecord> {
        let mut edges = self.facts.edges.iter();
        edges.find(|edge| edge.kind == kind && edge.actor == actor)
    }

    /// `, since version 3 of account 7`, where the store knows it.
    fn since(&self, kind: EdgeKind, actor: UserId) -> String {
        let edge = self.edge(kind, actor).filter(|edge| edge.present);
        edge.map_or_else(String::new, |edge| format!(", since its version {}", edge.version))
    }

    fn follow(&self) -> Step {
        let (reader, author) = (self.reader, self.author.id);
        if let Some(followee) = self.read.basis.view.followee(author) {
            let since = followee.since;
            let detail = format!("account {reader} follows account {author}, since its version {since}");
            return step(Rule::Follow, Verdict::Pass, detail);
        }
        let once = match self.edge(EdgeKind::Follow, reader) {
            Some(edge) if !edge.present => format!(": it unfollowed it at its version {}", edge.version),
            _ => ", nor is it known that it ever did".to_owned(),
        };
        let detail = format!("account {reader} does not follow account {author}{once}");
        step(Rule::Follow, Verdict::Hide, detail)
    }

    fn mute(&self) -> Step {
        let (reader, author) = (self.reader, self.author.id);
        if self.read.basis.view.muted.binary_search(&author).is_ok() {
            let since = self.since(EdgeKind::Mute, reader);
            let detail = format!("account {reader} mutes account {author}{since}");
            step(Rule::Mute, Verdict::Hide, detail)
        } else {
            step(Rule::Mute, Verdict::Pass, "the reader does not mute its author")
        }
    }

    fn block(&self) -> Step {
        let (reader, author) = (self.reader, self.author.id);
        if self.read.basis.view.blocked.binary_search(&author).is_err() {
            return step(Rule::Block, Verdict::Pass, "no block stands between the two");
        }
        let blocks = |actor, target| {
            self.edge(EdgeKind::Block, actor).filter(|edge| edge.present)?;
            let since = self.since(EdgeKind::Block, actor);
            Some(format!("account {actor} blocks account {target}{since}"))
        };
        let known: Vec<String> = [blocks(reader, author), blocks(author, reader)]
            .into_iter()
            .flatten()
            .collect();
        let detail = if known.is_empty() {
            "a block stands between the two".to_owned()
        } else {
            known.join("; ")
        };
        step(Rule::Block, Verdict::Hide, detail)
    }

    /// Where the view that reads go by and the edges in the store differ. Those of deleted accounts are on their way out.
    fn stale_edges(&self) -> Vec<Step> {
        if !self.author.is_there {
            return Vec::new();
        }
        let (reader, author, view) = (self.reader, self.author.id, &self.read.basis.view);
        let stands = |kind, actor| self.edge(kind, actor).filter(|edge| edge.present);
        let followed = stands(EdgeKind::Follow, reader).map(|edge| edge.version);
        let blocks = stands(EdgeKind::Block, reader).or(stands(EdgeKind::Block, author));
        let agree = [
            (
                Rule::Follow,
                view.followee(author).map(|followee| followee.since) == followed,
            ),
            (
                Rule::Mute,
                view.muted.binary_search(&author).is_ok() == stands(EdgeKind::Mute, reader).is_some(),
            ),
            (
                Rule::Block,
                view.blocked.binary_search(&author).is_ok() == blocks.is_some(),
            ),
        ];
        let differ = agree.into_iter().filter(|(_, agree)| !agree);
        let detail = "what reads go by is not what the store of the follow graph has";
        differ
            .map(|(rule, _)| step(rule, Verdict::Contradiction, detail))
            .collect()
    }

    fn timeline(&self) -> Step {
        let detail = match &self.read.lookup {
            Lookup::Absent => "none is stored: everything is pulled until one is built".to_owned(),
            Lookup::Unreachable => "the store of timelines cannot be reached: everything is pulled".to_owned(),
            Lookup::Present(slice) => {
                let Coverage { complete_from, holds } = slice.coverage;
                let place = if self.facts.tweet < complete_from {
                    "below"
                } else {
                    "above"
                };
                let follow = match self.read.basis.view.followee(self.author.id) {
                    None => "",
                    Some(followee) if followee.since > holds => ", without this follow",
                    Some(_) => ", this follow among them",
                };
                let mark = if complete_from == TweetId::MIN { "" } else { "its mark " };
                let down_to = at(complete_from);
                format!(
                    "one is stored, complete down to {mark}{down_to}, with the follows up to the reader's version \
                     {holds}{follow}; the tweet lies {place} the mark"
                )
            }
        };
        step(Rule::Timeline, Verdict::Note, detail)
    }

    fn stored(&self) -> Step {
        if self.is_stored {
            return step(Rule::Stored, Verdict::Give, "it is in the stored timeline");
        }
        let detail = match self.read.lookup.coverage() {
            None => "no stored timeline was read".to_owned(),
            Some(coverage) if self.facts.tweet < coverage.complete_from => {
                "it is older than what the stored timeline holds".to_owned()
            }
            Some(_) if self.is_own() => "one's own tweets are not stored: they are pulled".to_owned(),
            Some(coverage) => match self.read.basis.view.followee(self.author.id) {
                None => "it is not there, and need not be: its author is not followed".to_owned(),
                Some(followee) if followee.since > coverage.holds => {
                    "it is not there: the follow is younger than the follows that the timeline holds".to_owned()
                }
                Some(_) => "it is not there".to_owned(),
            },
        };
        step(Rule::Stored, Verdict::Lack, detail)
    }

    /// A tweet that the stored timeline claims to hold, that no other source gives, and that is not there.
    fn hole(&self) -> Option<Step> {
        let coverage = self.read.lookup.coverage()?;
        let followee = self.read.basis.view.followee(self.author.id)?;
        let claimed = self.facts.tweet >= coverage.complete_from && followee.since <= coverage.holds;
        let elsewhere = self.is_pulled || self.is_aside();
        let exists = self.facts.found.is_some() && self.author.is_there;
        let is_hole = exists && claimed && !elsewhere && !self.is_stored && self.is_delivered();
        let detail =
            "its delivery is done and no other source has it, so the stored timeline must hold it, and does not";
        is_hole.then(|| step(Rule::Stored, Verdict::Contradiction, detail))
    }

    /// Whether it has been delivered to this reader, whichever way.
    fn is_delivered(&self) -> bool {
        let chunk_is_done =
            || matches!(self.facts.chunk, Some(chunk) if matches!(chunk.state, ChunkState::Done { .. }));
        match &self.facts.record {
            Some(record) => record.finished_at_ms.is_some() || chunk_is_done(),
            None => self.facts.tweet < self.read.basis.settled,
        }
    }

    /// A stored timeline that holds follows which its reader has not made.
    fn too_new(&self) -> Option<Step> {
        let holds = self.read.lookup.coverage()?.holds;
        let version = self.read.basis.view.version;
        let detail = format!("it holds follows up to version {holds}, and the reader has only come to {version}");
        (holds > version).then(|| step(Rule::Timeline, Verdict::Contradiction, detail))
    }

    fn pulled(&self) -> Step {
        if !self.is_pulled {
            let detail = if self.is_own() || self.read.basis.view.followee(self.author.id).is_some() {
                "no range of ids in which readers pull its author, or everyone, has it"
            } else {
                "only whom the reader follows is pulled"
            };
            return step(Rule::Pulled, Verdict::Lack, detail);
        }
        step(Rule::Pulled, Verdict::Give, self.why_pulled().join("; "))
    }

    /// Every reason for which a read looks for it in the tweet store.
    fn why_pulled(&self) -> Vec<String> {
        let mut why = Vec::new();
        let (tweet, author, basis) = (self.facts.tweet, self.author.id, &self.read.basis);
        if self.is_own() {
            why.push("one's own tweets always are".to_owned());
        }
        match self.read.lookup.coverage() {
            None => why.push("nothing is stored, so everybody is whom the reader follows".to_owned()),
            Some(coverage) if tweet < coverage.complete_from => {
                why.push("it lies below the mark, where everybody is whom the reader follows".to_owned());
            }
            Some(coverage) => {
                let since = basis.view.followee(author).map(|followee| followee.since);
                if let Some(since) = since.filter(|since| *since > coverage.holds) {
                    let holds = coverage.holds;
                    why.push(format!(
                        "the follow, of version {since}, is younger than the stored timeline's follows ({holds})"
                    ));
                }
            }
        }
        let own = basis.rules.authors.get(&author).map(|state| &state.pulled);
        for (whose, ranges) in [("everyone", Some(&basis.rules.everyone.pulled)), ("its author", own)] {
            for range in ranges.into_iter().flatten().filter(|range| range.contains(tweet)) {
                let until = range
                    .until
                    .map_or("on".to_owned(), |until| format!("up to {}", at(until)));
                why.push(format!("readers pull {whose} from {} {until}", at(range.from)));
            }
        }
        why
    }

    fn aside(&self) -> Step {
        if self.is_aside() {
            let detail = "fan-out has set it aside (`fan-out poison list`), and reads look such tweets up";
            step(Rule::Aside, Verdict::Give, detail)
        } else {
            step(Rule::Aside, Verdict::Lack, "fan-out has not set it aside")
        }
    }

    fn reply(&self) -> Step {
        if let Some(reply) = self.read.reply {
            let detail = format!("the reply {reply} is shown, and brings it before it is delivered");
            return step(Rule::Reply, Verdict::Give, detail);
        }
        let original = self.facts.found.as_ref().and_then(|tweet| tweet.in_reply_to);
        let detail = match original {
            Some(original) => format!("it answers {original}; no reply to it has to bring it"),
            None => "no reply to it has to bring it".to_owned(),
        };
        step(Rule::Reply, Verdict::Lack, detail)
    }
}

/// A tweet id, or a mark, with its time.
fn at(id: TweetId) -> String {
    if id == TweetId::MIN {
        return "the beginning of history".to_owned();
    }
    format!("{id} ({})", Rfc3339(id.unix_ms()))
}

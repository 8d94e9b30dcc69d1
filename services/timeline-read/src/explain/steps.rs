//! What each rule comes to: pure, from the facts.

mod pair;

use http_kit::time::Rfc3339;
use model::{DeliveryRecord, UserId};
use storage::{ChunkRecord, ChunkState};

use super::facts::{AuthorFacts, Facts};
use super::{Explanation, Rule, Step, Verdict};
use pair::Pair;

/// Explains one look.
pub(super) fn explain(facts: &Facts) -> Explanation {
    let mut steps = Vec::with_capacity(Rule::ALL.len());
    steps.extend([reader(facts), tweet(facts)]);
    if let Some(author) = facts.author {
        steps.push(author_step(facts, author));
        steps.extend(delivery(facts, author));
        if let Some(read) = &facts.read {
            steps.extend(Pair::new(facts, author, read).steps());
        }
    }
    steps.sort_by_key(|step| step.rule);
    let visible = facts.read.as_ref().is_some_and(|read| read.shows);
    if visible != Explanation::follows_from_its_steps(&steps) {
        let shows = if visible { "shows" } else { "does not show" };
        let detail = format!("a read of the timeline {shows} it, which is not what the steps come to");
        steps.push(step(Rule::Read, Verdict::Contradiction, detail));
    }
    Explanation { visible, steps }
}

fn step(rule: Rule, verdict: Verdict, detail: impl Into<String>) -> Step {
    Step {
        rule,
        verdict,
        detail: detail.into(),
    }
}

fn reader(facts: &Facts) -> Step {
    let reader = facts.reader;
    if let Some(read) = &facts.read {
        let version = read.basis.view.version;
        let detail = format!("account {reader} is there; its own last change is its version {version}");
        step(Rule::Reader, Verdict::Pass, detail)
    } else {
        let detail = format!("there is no account {reader}, or it has been deleted");
        step(Rule::Reader, Verdict::Hide, detail)
    }
}

fn tweet(facts: &Facts) -> Step {
    match (&facts.found, &facts.record) {
        (Some(tweet), _) => {
            let (handle, posted) = (&tweet.author.handle, Rfc3339(tweet.id.unix_ms()));
            let detail = format!("posted by @{handle} (account {}) at {posted}", tweet.author.id);
            step(Rule::Tweet, Verdict::Pass, detail)
        }
        (None, Some(_)) => step(
            Rule::Tweet,
            Verdict::Hide,
            "it was accepted, since fan-out has a record of it, and has been deleted",
        ),
        (None, None) => step(
            Rule::Tweet,
            Verdict::Hide,
            "there is no such tweet: it never was, or was deleted before records were kept",
        ),
    }
}

fn author_step(facts: &Facts, author: AuthorFacts) -> Step {
    let AuthorFacts { id, is_there } = author;
    if id == facts.reader {
        return step(Rule::Author, Verdict::Pass, "the reader is its author");
    }
    if is_there {
        step(Rule::Author, Verdict::Pass, format!("account {id} is there"))
    } else {
        step(Rule::Author, Verdict::Hide, format!("account {id} has been deleted"))
    }
}

/// What fan-out's books say.
fn delivery(facts: &Facts, author: AuthorFacts) -> Vec<Step> {
    let mut steps = Vec::new();
    let Some(record) = &facts.record else {
        let basis = facts.read.as_ref().map(|read| &read.basis);
        let detail = if basis.is_some_and(|basis| basis.is_set_aside(facts.tweet)) {
            "there is no record: it was set aside"
        } else if basis.is_some_and(|basis| facts.tweet < basis.settled) {
            "there is no record: it was delivered longer ago than records are kept"
        } else {
            "there is no record yet: fan-out has not got to it"
        };
        return vec![step(Rule::Delivery, Verdict::Note, detail)];
    };
    steps.push(step(Rule::Delivery, Verdict::Note, recorded(record)));
    if record.finished_at_ms.is_some() && record.written + record.skipped != record.expected {
        let detail = "the record is finished, and written and skipped do not add up to expected";
        steps.push(step(Rule::Delivery, Verdict::Contradiction, detail));
    }
    if record.author != author.id {
        let detail = format!("the record is of a tweet of account {}", record.author);
        steps.push(step(Rule::Delivery, Verdict::Contradiction, detail));
    }
    if let Some(chunk) = &facts.chunk {
        steps.push(step(Rule::Chunk, Verdict::Note, in_chunk(chunk)));
    }
    steps
}

fn recorded(record: &DeliveryRecord) -> String {
    let DeliveryRecord {
        expected,
        written,
        skipped,
        ..
    } = record;
    let state = match record.finished_at_ms {
        Some(ms) => format!("done at {}", Rfc3339(ms)),
        None => "pending".to_owned(),
    };
    let mode = record.mode.as_str();
    format!("mode {mode}, {state}: followers expected {expected}, timelines written {written}, skipped {skipped}")
}

fn in_chunk(chunk: &ChunkRecord) -> String {
    let plan = chunk.plan;
    let after = plan.after.map_or(0, UserId::get);
    if plan.is_rest() {
        let number = plan.number;
        return format!(
            "the reader is among the followers above {after}, who are not cut into chunks yet ({number} are)"
        );
    }
    let state = match chunk.state {
        ChunkState::Pending => format!("not done (begun {} times)", chunk.tries),
        ChunkState::Aside => format!("set aside after {} tries", chunk.tries),
        ChunkState::Done {
            written,
            skipped,
            finished_at_ms,
        } => {
            let finished = Rfc3339(finished_at_ms);
            format!("done at {finished}: written {written}, skipped {skipped}")
        }
    };
    let (number, last) = (plan.number, plan.last);
    format!("the reader is in chunk {number} (followers above {after} up to {last}), {state}")
}

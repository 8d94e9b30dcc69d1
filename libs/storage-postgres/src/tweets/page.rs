//! Pages over the tweets of many authors.
//!
//! A page of twenty over 5,000 authors must not read a hundred thousand ids. Two rounds suffice. The first takes a few of
//! each author; the twentieth newest of all those is a line at or above which the page lies. Only authors whose few all
//! lie above that line can have more there, and the second round asks them alone, down to the line.

mod rounds;

use ahash::AHashSet;
use model::{AuthorRange, TweetId};
use storage::{Deadline, IdPage, SourcedId, StoreError};

use crate::sql;
#[cfg(test)]
pub(crate) use rounds::NEWEST;
pub(super) use rounds::Rounds;

/// What the first round takes of each author at least.
const FEWEST: usize = 3;

/// One source and the ids of it that a round asks for.
#[derive(Clone, Copy)]
struct Ask {
    author: i64,
    from: i64,
    below: i64,
}

/// What a source had.
struct Found {
    ask: Ask,
    ids: Vec<i64>,
    /// As many as were asked for: there may be more below the last.
    truncated: bool,
    /// The second round asked for more of it, down to the line and no further.
    asked_further: bool,
}

impl Found {
    fn nothing(ask: Ask) -> Self {
        Self {
            ask,
            ids: Vec::new(),
            truncated: false,
            asked_further: false,
        }
    }
}

/// See [`storage::TweetStore::page`].
pub(super) async fn read(
    rounds: &Rounds,
    sources: &[AuthorRange],
    below: TweetId,
    limit: usize,
    deadline: Deadline,
) -> Result<IdPage, StoreError> {
    let asks: Vec<Ask> = sources.iter().filter_map(|source| ask(source, below)).collect();
    if asks.is_empty() {
        return Ok(IdPage::default());
    }
    let limit = limit.max(1);
    let few = (limit * 4 / asks.len()).clamp(FEWEST, limit.max(FEWEST)).min(limit);
    let mut found = rounds.ask(asks, few, deadline).await?;
    let line = line(&found, limit);
    let deeper: Vec<Ask> = found.iter_mut().filter_map(|found| further(found, line)).collect();
    if !deeper.is_empty() {
        found.extend(rounds.ask(deeper, limit, deadline).await?);
    }
    Ok(page(&found, line))
}

fn ask(source: &AuthorRange, below: TweetId) -> Option<Ask> {
    let until = source.range.until.map_or(below, |until| until.min(below));
    (source.range.from < until).then(|| Ask {
        author: sql::column(source.author.get()),
        from: sql::column(source.range.from.get()),
        below: sql::column(until.get()),
    })
}

/// The `limit`-th newest id found; without as many, nothing may be left out.
fn line(found: &[Found], limit: usize) -> i64 {
    let mut ids: Vec<i64> = found.iter().flat_map(|found| found.ids.iter().copied()).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    ids.get(limit - 1).copied().unwrap_or(0)
}

/// What is to be asked of a source that may have more at or above the line.
fn further(found: &mut Found, line: i64) -> Option<Ask> {
    let last = *found.ids.last()?;
    if !found.truncated || last <= line {
        return None;
    }
    // From here on it is the second round that says where the source ends.
    found.truncated = false;
    found.asked_further = true;
    Some(Ask {
        author: found.ask.author,
        from: found.ask.from.max(line),
        below: last,
    })
}

/// What was found, down to where it is complete.
fn page(found: &[Found], line: i64) -> IdPage {
    let unfinished = found
        .iter()
        .filter(|found| found.truncated)
        .filter_map(|found| found.ids.last());
    let low = unfinished.copied().max().unwrap_or(0).max(line);
    let mut seen = AHashSet::new();
    // Whether anything may lie below.
    let mut cut = found
        .iter()
        .any(|found| found.truncated || (found.asked_further && found.ask.from < line));
    let mut entries = Vec::new();
    for of in found {
        for id in &of.ids {
            if *id < low {
                cut = true;
            } else if seen.insert(*id) {
                entries.push(SourcedId {
                    id: sql::tweet(*id),
                    author: sql::user(of.ask.author),
                });
            }
        }
    }
    entries.sort_unstable_by_key(|entry| std::cmp::Reverse(entry.id));
    IdPage {
        entries,
        next_below: cut.then(|| sql::tweet(low)),
    }
}

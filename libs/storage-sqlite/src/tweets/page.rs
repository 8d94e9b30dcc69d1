//! Pages of ids, merged from many authors.
//!
//! The newest ids of all sources are offered to one collector, which keeps as many as are asked for and so knows a
//! threshold: nothing at or below it is wanted any more. Tails in memory come first; at the top of a timeline they are
//! enough, and nothing else is asked. Sources whose tail ends above the threshold are then read on from the table, each
//! between the threshold and where its tail ended: of 5,000 sources only a few have anything there.

use model::{AuthorRange, TweetId, UserId};
use rusqlite::Connection;
use storage::{IdPage, SourcedId};

use super::tails::{TAIL_LENGTH, Tail, Tails};
use crate::sql;

/// The newest ids that were offered.
struct Newest {
    limit: usize,
    /// Newest first once compacted; what came since in any order.
    found: Vec<SourcedId>,
    /// Ids at or below it are not wanted.
    threshold: Option<TweetId>,
    /// Whether something was left out.
    left_out: bool,
}

impl Newest {
    fn new(limit: usize) -> Self {
        let limit = limit.max(1);
        Self {
            limit,
            found: Vec::with_capacity(2 * limit + 1),
            threshold: None,
            left_out: false,
        }
    }

    /// Offers ids of one author, newest first; those that are too old are not looked at.
    fn offer(&mut self, author: UserId, newest_first: impl Iterator<Item = TweetId>) {
        for id in newest_first {
            if self.threshold.is_some_and(|threshold| id < threshold) {
                self.left_out = true;
                return;
            }
            self.found.push(SourcedId { id, author });
            if self.found.len() > 2 * self.limit {
                self.compact();
            }
        }
    }

    /// Keeps the newest; ranges of one author may overlap, so an id may be there twice.
    fn compact(&mut self) {
        self.found.sort_unstable_by(|a, b| b.cmp(a));
        self.found.dedup();
        if self.found.len() > self.limit {
            self.found.truncate(self.limit);
            self.left_out = true;
        }
        if self.found.len() == self.limit {
            self.threshold = self.found.last().map(|last| last.id);
        }
    }

    /// Whether ids in the range up to, not including, `until` may be wanted.
    fn wants_below(&self, until: TweetId) -> bool {
        self.threshold.is_none_or(|threshold| threshold < until)
    }

    /// The page, `exhausted` if the sources hold nothing that was not offered.
    fn into_page(self, exhausted: bool) -> IdPage {
        let more = self.left_out || !exhausted;
        let next_below = self
            .found
            .last()
            .map(|last| last.id)
            .filter(|_| more && self.threshold.is_some());
        IdPage {
            entries: self.found,
            next_below,
        }
    }
}

/// What is left of a source below its tail.
struct Rest {
    author: UserId,
    from: TweetId,
    until: TweetId,
    /// Whether there is no tail of this author, and one would help the next reader.
    without_tail: bool,
}

/// A page that memory alone could not make.
pub(super) struct Unfinished {
    newest: Newest,
    rests: Vec<Rest>,
}

/// Makes the page from memory, or as much of it as memory holds.
pub(super) fn from_memory(
    tails: &Tails,
    sources: &[AuthorRange],
    below: TweetId,
    limit: usize,
) -> Result<IdPage, Unfinished> {
    let mut newest = Newest::new(limit);
    let mut rests = Vec::new();
    for source in sources {
        let (author, from) = (source.author, source.range.from);
        let until = source.range.until.map_or(below, |until| until.min(below));
        if from >= until {
            continue;
        }
        let complete_from = tails.look(author, |tail| {
            newest.offer(author, tail.range(from, until));
            tail.complete_from()
        });
        let known_from = complete_from.unwrap_or(until).min(until);
        if known_from > from {
            let without_tail = complete_from.is_none() && source.range.until.is_none();
            rests.push(Rest {
                author,
                from,
                until: known_from,
                without_tail,
            });
        }
    }
    newest.compact();
    if rests.iter().any(|rest| newest.wants_below(rest.until)) {
        return Err(Unfinished { newest, rests });
    }
    Ok(newest.into_page(rests.is_empty()))
}

impl Unfinished {
    /// Finishes the page from the table.
    pub(super) fn finish(self, connection: &Connection, tails: &Tails) -> rusqlite::Result<IdPage> {
        let Self { mut newest, rests } = self;
        let mut exhausted = true;
        for mut rest in rests {
            if rest.without_tail {
                rest.read_tail(connection, tails, &mut newest)?;
            }
            exhausted &= rest.read_on(connection, &mut newest)?;
        }
        newest.compact();
        Ok(newest.into_page(exhausted))
    }
}

impl Rest {
    /// Reads the author's tail, for this page and for others to come.
    fn read_tail(&mut self, connection: &Connection, tails: &Tails, newest: &mut Newest) -> rusqlite::Result<()> {
        let since = tails.changes(self.author);
        let mut ids = newest_ids(connection, self.author, TweetId::MIN, TweetId::MAX, TAIL_LENGTH + 1)?;
        let complete = ids.len() <= TAIL_LENGTH;
        ids.truncate(TAIL_LENGTH);
        let tail = Tail::new(ids, complete);
        newest.offer(self.author, tail.range(self.from, self.until));
        self.until = self.until.min(tail.complete_from().max(self.from));
        tails.fill(self.author, tail, since);
        Ok(())
    }

    /// Reads what is wanted of the rest; answers whether nothing remains below.
    fn read_on(&self, connection: &Connection, newest: &mut Newest) -> rusqlite::Result<bool> {
        if self.from >= self.until {
            return Ok(true);
        }
        if !newest.wants_below(self.until) {
            return Ok(false);
        }
        let from = newest.threshold.map_or(self.from, |threshold| threshold.max(self.from));
        let ids = newest_ids(connection, self.author, from, self.until, newest.limit + 1)?;
        let exhausted = from == self.from && ids.len() <= newest.limit;
        newest.offer(self.author, ids.into_iter());
        newest.compact_if_unbounded();
        Ok(exhausted)
    }
}

impl Newest {
    /// Finds a threshold as soon as there is one: it spares the sources to come.
    fn compact_if_unbounded(&mut self) {
        if self.threshold.is_none() && self.found.len() >= self.limit {
            self.compact();
        }
    }
}

/// An author's visible ids from `from` up to, not including, `until`, newest first.
fn newest_ids(
    connection: &Connection,
    author: UserId,
    from: TweetId,
    until: TweetId,
    limit: usize,
) -> rusqlite::Result<Vec<TweetId>> {
    connection
        .prepare_cached(
            "SELECT id FROM tweets INDEXED BY tweets_by_author
             WHERE author = ?1 AND id >= ?2 AND id < ?3 AND deleted_at_ms IS NULL ORDER BY id DESC LIMIT ?4",
        )?
        .query_map(
            [
                sql::column(author.get()),
                sql::column(from.get()),
                sql::column(until.get()),
                sql::column(limit as u64),
            ],
            |row| row.get(0).map(sql::tweet),
        )?
        .collect()
}

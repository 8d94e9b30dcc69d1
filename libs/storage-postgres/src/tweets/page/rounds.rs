//! What several reads ask at the same time goes to the server in one statement: of a read by itself, the trip is most of what
//! it costs there. Nobody waits for company: as long as fewer statements are under way than there may be, a read begins one at
//! once; those that come meanwhile go together in the next. So a statement always begins after all that it answers was asked,
//! and shows what was committed before.
//!
//! What may have many rows (a timeline that is built, a reader of whom nothing is stored) goes by itself: nobody waits for it,
//! and it waits for nobody. A shared statement that takes too long is given up, so that one which hangs holds up others for no
//! longer than that.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use storage::{Deadline, StoreError};
use tokio::sync::oneshot;

use super::{Ask, Found};
use crate::ask::query;
use crate::pool::PostgresPool;
use crate::sql;
use crate::tweets::STORE;
use crate::tweets::batch::again;

/// Statements of one process at the same time.
const AT_ONCE: usize = 4;

/// Sources of one statement.
const SOURCES_AT_ONCE: usize = 512;

/// Rows, at most, of a round that is shared with others.
const ROWS_OF_SHARED: usize = 1_000;

/// How long a shared statement may take.
const SHARED_WITHIN: Duration = Duration::from_secs(2);

/// Reads that may wait; more are refused.
const WAITING: usize = 4_096;

pub(crate) const NEWEST: &str = "SELECT asked.number, found.id
    FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) WITH ORDINALITY
        AS asked (author, from_id, below_id, few, number)
    CROSS JOIN LATERAL (
        SELECT id FROM tweets
        WHERE author = asked.author AND id >= asked.from_id AND id < asked.below_id AND deleted_at_ms IS NULL
        ORDER BY id DESC LIMIT asked.few
    ) AS found";

/// The newest ids of sources, for all reads of a process.
#[derive(Clone)]
pub(crate) struct Rounds {
    pool: PostgresPool,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Round>,
    under_way: usize,
}

/// What one read asks.
struct Round {
    asks: Vec<Ask>,
    /// Ids of each source, at most.
    few: usize,
    deadline: Deadline,
    reply: oneshot::Sender<Result<Vec<Found>, StoreError>>,
}

impl Rounds {
    pub(crate) fn new(pool: PostgresPool) -> Self {
        Self {
            pool,
            queue: Arc::default(),
        }
    }

    /// At most `few` ids of each source, newest first.
    pub(super) async fn ask(&self, asks: Vec<Ask>, few: usize, deadline: Deadline) -> Result<Vec<Found>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let round = Round {
            asks,
            few,
            deadline,
            reply,
        };
        if round.asks.len() > SOURCES_AT_ONCE || round.asks.len() * few > ROWS_OF_SHARED {
            return self.answer(&[round], deadline).await;
        }
        if self.queue.lock().put(round)? {
            tokio::spawn(self.clone().until_none_waits());
        }
        match tokio::time::timeout_at(deadline.instant().into(), answer).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) => Err(StoreError::unavailable(STORE, "a statement was given up")),
            Err(_) => Err(StoreError::Timeout { store: STORE }),
        }
    }

    async fn until_none_waits(self) {
        let place = Place::of(&self.queue);
        while let Some(rounds) = place.take() {
            let latest = rounds.iter().map(|round| round.deadline).max();
            let deadline = Deadline::after(SHARED_WITHIN).min(latest.expect("a statement has a round"));
            match self.answer(&rounds, deadline).await {
                Ok(found) => {
                    let mut found = found.into_iter();
                    for round in rounds {
                        let of_round = found.by_ref().take(round.asks.len()).collect();
                        let _ = round.reply.send(Ok(of_round));
                    }
                }
                Err(error) => {
                    for round in rounds {
                        let _ = round.reply.send(Err(again(&error)));
                    }
                }
            }
        }
    }

    /// What was found for all of these, in order.
    async fn answer(&self, rounds: &[Round], deadline: Deadline) -> Result<Vec<Found>, StoreError> {
        let asks = || rounds.iter().flat_map(|round| &round.asks);
        let column = |value: fn(&Ask) -> i64| -> Vec<i64> { asks().map(value).collect() };
        let (authors, froms, belows) = (
            column(|ask| ask.author),
            column(|ask| ask.from),
            column(|ask| ask.below),
        );
        let few = rounds
            .iter()
            .flat_map(|round| round.asks.iter().map(|_| sql::limit(round.few)));
        let few: Vec<i64> = few.collect();
        let client = self.pool.client(deadline).await?;
        let rows = query(&client, deadline, NEWEST, &[&authors, &froms, &belows, &few]).await?;
        let mut found: Vec<Found> = asks().map(|ask| Found::nothing(*ask)).collect();
        for row in rows {
            let number: i64 = row.get(0);
            if let Some(of) = usize::try_from(number - 1).ok().and_then(|at| found.get_mut(at)) {
                of.ids.push(row.get(1));
            }
        }
        for (of, few) in found.iter_mut().zip(few) {
            of.ids.sort_unstable_by(|a, b| b.cmp(a));
            of.truncated = sql::limit(of.ids.len()) >= few;
        }
        Ok(found)
    }
}

impl Queue {
    /// Answers whether a statement is to begin with it.
    fn put(&mut self, round: Round) -> Result<bool, StoreError> {
        if self.waiting.len() >= WAITING {
            return Err(StoreError::Overloaded { store: STORE });
        }
        self.waiting.push_back(round);
        let begins = self.under_way < AT_ONCE;
        self.under_way += usize::from(begins);
        Ok(begins)
    }

    /// What goes into the next statement; where nobody waits, there is one statement less from here on.
    fn take(&mut self) -> Option<Vec<Round>> {
        let (mut taken, mut sources) = (Vec::new(), 0);
        while let Some(next) = self.waiting.pop_front() {
            // Nobody waits for it any more.
            if next.reply.is_closed() {
                continue;
            }
            sources += next.asks.len();
            if sources > SOURCES_AT_ONCE {
                self.waiting.push_front(next);
                break;
            }
            taken.push(next);
        }
        if taken.is_empty() {
            self.under_way -= 1;
            return None;
        }
        Some(taken)
    }
}

/// A place among the statements that may be under way. It is given up even by one that panics.
struct Place<'a> {
    queue: &'a Mutex<Queue>,
    is_given_up: Cell<bool>,
}

impl<'a> Place<'a> {
    fn of(queue: &'a Mutex<Queue>) -> Self {
        Self {
            queue,
            is_given_up: Cell::new(false),
        }
    }

    fn take(&self) -> Option<Vec<Round>> {
        let taken = self.queue.lock().take();
        self.is_given_up.set(taken.is_none());
        taken
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if !self.is_given_up.get() {
            self.queue.lock().under_way -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    type Reply = oneshot::Receiver<Result<Vec<Found>, StoreError>>;

    fn round(sources: usize) -> (Round, Reply) {
        let (reply, answer) = oneshot::channel();
        let ask = Ask {
            author: 1,
            from: 0,
            below: 9,
        };
        let round = Round {
            asks: vec![ask; sources],
            few: 3,
            deadline: Deadline::after(Duration::from_secs(9)),
            reply,
        };
        (round, answer)
    }

    fn sources(taken: Option<Vec<Round>>) -> Vec<usize> {
        taken.into_iter().flatten().map(|round| round.asks.len()).collect()
    }

    #[test]
    fn those_that_wait_go_together() {
        let mut queue = Queue::default();
        let mut replies = Vec::new();
        for number in 0..AT_ONCE + 3 {
            let (round, reply) = round(number + 1);
            replies.push(reply);
            assert_eq!(queue.put(round).unwrap(), number < AT_ONCE, "{number}");
        }
        // Nobody waits for the third any more.
        drop(replies.remove(2));
        assert_eq!(sources(queue.take()), [1, 2, 4, 5, 6, 7]);
        for left in (0..AT_ONCE).rev() {
            assert!(queue.take().is_none());
            assert_eq!(queue.under_way, left);
        }
    }

    #[test]
    fn a_statement_has_no_more_sources_than_it_may() {
        let mut queue = Queue::default();
        let mut replies = Vec::new();
        for number in [SOURCES_AT_ONCE - 1, 1, 1, SOURCES_AT_ONCE] {
            let (round, reply) = round(number);
            replies.push(reply);
            queue.put(round).unwrap();
        }
        assert_eq!(sources(queue.take()), [SOURCES_AT_ONCE - 1, 1]);
        assert_eq!(sources(queue.take()), [1]);
        assert_eq!(sources(queue.take()), [SOURCES_AT_ONCE]);
    }
}

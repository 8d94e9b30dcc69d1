//! Tweet ids: 41 bits of milliseconds, 10 bits of worker, 12 bits of sequence.

use std::sync::Arc;

use crate::{Clock, TweetId};

/// Where Snowflake time starts: 4 November 2010, 01:42:54.657 UTC, as Twitter's does.
pub const EPOCH_MS: u64 = 1_288_834_974_657;

const SEQUENCE_BITS: u32 = 12;
const WORKER_BITS: u32 = 10;
const MAX_SEQUENCE: u64 = (1 << SEQUENCE_BITS) - 1;

/// How far the clock may be behind the last id before ids are refused instead of drawn from the last millisecond on.
const TOLERATED_BACKWARD_MS: u64 = 2_000;

/// One of 1,024 workers. Two processes never share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct WorkerId(u16);

/// A worker id has 10 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a worker id is a number from 0 to 1023")]
pub struct WorkerIdOutOfRange;

impl WorkerId {
    /// Checks the range.
    pub const fn new(id: u16) -> Result<Self, WorkerIdOutOfRange> {
        if id < 1 << WORKER_BITS {
            Ok(Self(id))
        } else {
            Err(WorkerIdOutOfRange)
        }
    }
}

/// The clock is so far behind the last id that was drawn that a new one would be misplaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the clock is {behind_ms} ms behind the last id drawn; no ids are drawn until it has caught up")]
pub struct ClockWentBack {
    /// By how much.
    pub behind_ms: u64,
}

/// Draws strictly increasing ids.
///
/// When the clock steps back a little, or one millisecond is used up, ids go on from the last one, ahead of the clock;
/// when it steps back by more than two seconds, drawing is refused. The last id of an earlier run is given at the start,
/// so that a clock that was set back during a restart changes nothing.
pub struct Snowflake {
    clock: Arc<dyn Clock>,
    worker: WorkerId,
    last: u64,
}

impl Snowflake {
    /// A generator for `worker` that never draws an id at or below `last`.
    pub fn new(clock: Arc<dyn Clock>, worker: WorkerId, last: TweetId) -> Self {
        Self {
            clock,
            worker,
            last: last.get(),
        }
    }

    /// From now on only ids above `floor` are drawn.
    pub fn advance_to(&mut self, floor: TweetId) {
        self.last = self.last.max(floor.get());
    }

    /// The last id that was drawn, or above which the next one is.
    pub const fn last(&self) -> TweetId {
        TweetId::new(self.last)
    }

    /// The next id.
    pub fn draw(&mut self) -> Result<TweetId, ClockWentBack> {
        let now = self.clock.unix_ms().saturating_sub(EPOCH_MS);
        let last_ms = self.last >> (SEQUENCE_BITS + WORKER_BITS);
        let ms = if now > last_ms {
            now
        } else {
            let behind_ms = last_ms - now;
            if behind_ms > TOLERATED_BACKWARD_MS {
                return Err(ClockWentBack { behind_ms });
            }
            last_ms
        };
        let sequence_of_last = self.last & MAX_SEQUENCE;
        let (ms, sequence) = match (ms > last_ms, sequence_of_last) {
            (true, _) => (ms, 0),
            (false, MAX_SEQUENCE) => (ms + 1, 0),
            (false, sequence) => (ms, sequence + 1),
        };
        let id = self.compose(ms, sequence);
        // The last id may be that of a worker with a higher number than ours.
        self.last = if id > self.last { id } else { self.compose(ms + 1, 0) };
        Ok(TweetId::new(self.last))
    }

    const fn compose(&self, ms: u64, sequence: u64) -> u64 {
        (ms << (SEQUENCE_BITS + WORKER_BITS)) | ((self.worker.0 as u64) << SEQUENCE_BITS) | sequence
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ManualClock;

    fn worker(id: u16) -> WorkerId {
        WorkerId::new(id).unwrap()
    }

    #[test]
    fn ids_increase_within_and_beyond_a_millisecond() {
        let clock = Arc::new(ManualClock::new(EPOCH_MS + 5));
        let mut ids = Snowflake::new(clock.clone(), worker(1023), TweetId::MIN);
        let mut last = ids.draw().unwrap();
        assert_eq!(last.unix_ms(), EPOCH_MS + 5);
        for step in 0..10_000 {
            if step % 7_000 == 0 {
                clock.advance(1);
            }
            let id = ids.draw().unwrap();
            assert!(id > last);
            last = id;
        }
        assert!(
            last.unix_ms() <= EPOCH_MS + 8,
            "a used-up millisecond borrows from the next"
        );
    }

    #[test]
    fn an_id_is_above_the_last_one_of_any_worker() {
        let clock = Arc::new(ManualClock::new(EPOCH_MS + 5));
        let last = Snowflake::new(clock.clone(), worker(7), TweetId::MIN).draw().unwrap();
        for behind_ms in [0, 1, 1_999] {
            clock.set(EPOCH_MS + 5_000 - behind_ms);
            let mut ids = Snowflake::new(clock.clone(), worker(3), TweetId::new(last.get() + (4_995 << 22)));
            let id = ids.draw().unwrap();
            assert!(id.get() > last.get() + (4_995 << 22), "{behind_ms} ms behind");
            assert!(ids.draw().unwrap() > id);
        }
    }

    #[test]
    fn only_ids_above_the_floor_are_drawn() {
        let clock = Arc::new(ManualClock::new(EPOCH_MS + 5));
        let mut ids = Snowflake::new(clock.clone(), worker(1), TweetId::MIN);
        let floor = TweetId::new(TweetId::first_at(EPOCH_MS + 5).get() - 1);
        ids.advance_to(floor);
        assert_eq!(ids.last(), floor);
        clock.set(EPOCH_MS + 3);
        assert!(ids.draw().unwrap() > floor);
    }

    #[test]
    fn trap_16_a_backward_clock_goes_on_from_the_last_id_or_refuses() {
        let clock = Arc::new(ManualClock::new(EPOCH_MS + 10_000));
        let mut ids = Snowflake::new(clock.clone(), worker(0), TweetId::MIN);
        let first = ids.draw().unwrap();
        clock.set(EPOCH_MS + 9_000);
        assert!(ids.draw().unwrap() > first);
        clock.set(EPOCH_MS + 1_000);
        assert_eq!(ids.draw(), Err(ClockWentBack { behind_ms: 9_000 }));
        clock.set(EPOCH_MS + 10_001);
        assert!(ids.draw().unwrap() > first);
    }

    #[test]
    fn trap_16_the_last_id_survives_a_restart() {
        let clock = Arc::new(ManualClock::new(EPOCH_MS + 10_000));
        let last = Snowflake::new(clock.clone(), worker(0), TweetId::MIN).draw().unwrap();
        clock.set(EPOCH_MS + 9_500);
        assert!(Snowflake::new(clock, worker(0), last).draw().unwrap() > last);
    }

    #[test]
    fn a_worker_id_has_ten_bits() {
        assert!(WorkerId::new(1023).is_ok());
        assert_eq!(WorkerId::new(1024), Err(WorkerIdOutOfRange));
    }
}

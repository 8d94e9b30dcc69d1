//! When the requests of a load are sent.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// How fast a load goes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// As fast as answers come, for so long.
    AsAnswered(Duration),
    /// As fast as answers come, until each request was sent once.
    Once,
    /// Open-loop: so many a second for so long, each at its moment, whether or not those before it have been answered. One
    /// whose moment passes while all connections are busy is sent as soon as one is free.
    Rate { per_second: u32, duration: Duration },
}

/// Hands out the moments of a load to the connections of one thread.
pub(crate) struct Moments {
    pace: Pace,
    requests: usize,
    begun: Instant,
    handed_out: Cell<u32>,
}

impl Moments {
    /// They begin now, with this many requests.
    pub(crate) fn begin(pace: Pace, requests: usize) -> Self {
        Self {
            pace,
            requests,
            begun: Instant::now(),
            handed_out: Cell::new(0),
        }
    }

    /// Since they began.
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Waits for the next moment that nobody has taken. Answers which request is to be sent and since when it is due, or
    /// `None` when there are no more.
    pub(crate) async fn next(&self) -> Option<(usize, Instant)> {
        let number = self.handed_out.replace(self.handed_out.get() + 1);
        let due = self.due(number)?;
        if matches!(self.pace, Pace::Rate { .. }) && due > Instant::now() {
            tokio::time::sleep_until(due.into()).await;
        }
        Some((number as usize % self.requests, due))
    }

    fn due(&self, number: u32) -> Option<Instant> {
        match self.pace {
            Pace::AsAnswered(duration) => Some(Instant::now()).filter(|now| *now < self.begun + duration),
            Pace::Once => Some(Instant::now()).filter(|_| (number as usize) < self.requests),
            Pace::Rate { per_second, duration } => {
                let after = Duration::from_secs(1) * number / per_second;
                Some(self.begun + after).filter(|_| after < duration)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_has_its_moments_however_late_they_are_taken() {
        let duration = Duration::from_secs(2);
        let pace = Pace::Rate {
            per_second: 3,
            duration,
        };
        let moments = Moments::begin(pace, 4);
        let due = |number| moments.due(number).map(|due| due - moments.begun);
        assert_eq!(due(4), Some(Duration::from_secs(4) / 3));
        assert_eq!(due(5), Some(Duration::from_secs(5) / 3));
        assert_eq!(due(6), None, "two seconds have six moments");
    }

    #[tokio::test]
    async fn each_request_once() {
        let moments = Moments::begin(Pace::Once, 2);
        let mut sent = Vec::new();
        while let Some((request, _)) = moments.next().await {
            sent.push(request);
        }
        assert_eq!(sent, [0, 1]);
    }
}

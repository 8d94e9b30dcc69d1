//! Shrinking a failing history to few steps.

use std::time::{Duration, Instant};

use crate::history::History;
use crate::runner::Violation;

/// Leaves out steps, large pieces first, as long as `run` goes on failing, until no single step can be spared or
/// `time` is over. Answers the shortest history found and how it fails.
///
/// A failure that depends on timing may hide from one run, so a shorter history counts as passing only when it has
/// passed `attempts` times.
pub async fn shrink<R>(history: History, violation: Violation, attempts: u32, time: Duration, run: R) -> Shrunk
where
    R: AsyncFn(&History) -> Result<(), Violation>,
{
    let until = Instant::now() + time;
    let mut best = Shrunk { history, violation };
    best.history.steps.truncate(best.violation.step + 1);
    let mut piece = best.history.steps.len().div_ceil(2);
    while piece > 0 && Instant::now() < until {
        let mut start = 0;
        let mut spared = false;
        while start < best.history.steps.len() && Instant::now() < until {
            let candidate = without(&best.history, start, piece);
            match fails(&candidate, attempts, &run).await {
                Some(violation) => {
                    best = Shrunk {
                        history: candidate,
                        violation,
                    };
                    spared = true;
                }
                None => start += piece,
            }
        }
        if !spared || piece > 1 {
            piece /= 2;
        }
    }
    best
}

/// The shortest failing history that was found.
#[derive(Debug, Clone)]
pub struct Shrunk {
    /// The history.
    pub history: History,
    /// How it fails.
    pub violation: Violation,
}

fn without(history: &History, start: usize, length: usize) -> History {
    let end = (start + length).min(history.steps.len());
    let mut shorter = history.clone();
    shorter.steps.drain(start..end);
    shorter
}

async fn fails<R>(history: &History, attempts: u32, run: &R) -> Option<Violation>
where
    R: AsyncFn(&History) -> Result<(), Violation>,
{
    for _ in 0..attempts {
        if let Err(violation) = run(history).await {
            return Some(violation);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Step;

    #[tokio::test]
    async fn only_the_steps_that_matter_are_left() {
        let steps = (0..50).map(|ms| Step::Wait { ms }).collect();
        let needs = async |history: &History| {
            let has = |ms| history.steps.contains(&Step::Wait { ms });
            if has(7) && has(31) {
                return Err(Violation::new(history.steps.len() - 1, "both are there"));
            }
            Ok(())
        };
        let whole = History { seed: 1, steps };
        let first = Violation::new(49, "both are there");
        let shrunk = shrink(whole, first, 1, Duration::from_mins(1), needs).await;
        assert_eq!(shrunk.history.steps, [Step::Wait { ms: 7 }, Step::Wait { ms: 31 }]);
    }
}

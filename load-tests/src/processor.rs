//! Processor time of processes and threads, as the kernel counts it.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// Linux tells processes of a hundred ticks a second, whatever it uses itself.
const TICK: Duration = Duration::from_millis(10);

/// What all threads of a process have used, in the program and in the kernel.
pub(crate) fn time_of(pid: u32) -> Result<Duration> {
    time_in(&format!("/proc/{pid}/stat"))
}

/// What the calling thread has used.
pub(crate) fn time_of_this_thread() -> Result<Duration> {
    time_in("/proc/thread-self/stat")
}

fn time_in(stat: &str) -> Result<Duration> {
    let stat = fs::read_to_string(stat).context("this needs Linux")?;
    // The name of the program stands in parentheses and may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("there is a name")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |place: usize| -> Result<u32> { Ok(fields.get(place).context("there are 52 fields")?.parse()?) };
    Ok(TICK * (ticks(11)? + ticks(12)?))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn work_takes_processor_time() {
        let pid = std::process::id();
        let before = time_of(pid).unwrap();
        let begun = Instant::now();
        while time_of(pid).unwrap() < before + TICK {
            assert!(begun.elapsed() < Duration::from_mins(1), "reading files takes time");
        }
    }
}

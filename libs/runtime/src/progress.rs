//! Progress of long work: a bar on a terminal, a line every few seconds elsewhere. Both on stderr.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

const BETWEEN_LINES: Duration = Duration::from_secs(3);

/// The progress of one piece of work.
pub struct Progress {
    what: &'static str,
    bar: ProgressBar,
    next_line: Option<Instant>,
}

impl Progress {
    /// Work that is measured in bytes.
    pub fn bytes(what: &'static str, total: u64) -> Self {
        Self::new(what, total, "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} left")
    }

    /// Work that is measured in edges, timelines or other things.
    pub fn things(what: &'static str, total: u64) -> Self {
        Self::new(
            what,
            total,
            "{msg} [{bar:30}] {human_pos} of {human_len}, {per_sec}, {eta} left",
        )
    }

    fn new(what: &'static str, total: u64, template: &str) -> Self {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
        bar.set_style(style);
        bar.set_message(what);
        Self {
            what,
            next_line: bar.is_hidden().then(|| Instant::now() + BETWEEN_LINES),
            bar,
        }
    }

    /// This much is done.
    pub fn set(&mut self, done: u64) {
        self.bar.set_position(done);
        if self.next_line.is_some_and(|due| Instant::now() >= due) {
            self.next_line = Some(Instant::now() + BETWEEN_LINES);
            let total = self.bar.length().unwrap_or(done);
            eprintln!("{}: {}", self.what, share(done, total));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `1 edge`, `2 edges`.
pub fn counted(number: u64, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

fn share(done: u64, total: u64) -> String {
    let percent = done.saturating_mul(100) / total.max(1);
    format!("{done} of {total} ({percent} %)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_no_plural() {
        assert_eq!(counted(0, "edge"), "0 edges");
        assert_eq!(counted(1, "edge"), "1 edge");
        assert_eq!(counted(2, "edge"), "2 edges");
    }

    #[test]
    fn a_share_of_nothing_is_no_division_by_zero() {
        assert_eq!(share(1, 3), "1 of 3 (33 %)");
        assert_eq!(share(0, 0), "0 of 0 (0 %)");
    }
}

//! What failed tests said, to be told once more at the end: between their output and the end of a run lie thousands of lines.

/// Of a test that said more, its last lines: what it ended with stands there.
const LINES: usize = 12;

/// What each failed test said.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The name, and what was said, line by line.
    said: Vec<(String, Vec<String>)>,
    /// Whether the last of them is still speaking.
    is_open: bool,
}

impl Failures {
    /// Takes a line of the output. What a failed test said comes after `---- its::name stdout ----`; backtraces are left out.
    pub(super) fn add(&mut self, line: &str) {
        let line = line.trim_end();
        if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|line| line.strip_suffix(" stdout ----"))
        {
            self.said.push((name.to_owned(), Vec::new()));
            self.is_open = true;
        } else if line == "failures:" || line == "stack backtrace:" {
            self.is_open = false;
        } else if self.is_open
            && !line.is_empty()
            && let Some((_, lines)) = self.said.last_mut()
        {
            lines.push(line.to_owned());
        }
    }

    /// For people.
    pub(super) fn tell(&self) {
        for (name, lines) in &self.said {
            println!("FAILED: {name}");
            for line in &lines[lines.len().saturating_sub(LINES)..] {
                println!("    {line}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_failed_tests_said_is_kept() {
        let output = "test a::b ... FAILED\n\nfailures:\n\n---- a::b stdout ----\nbefore\n\nthread 'a::b' panicked at x.rs:1:2:\n\
                      1 is not 2\nstack backtrace:\n   0: begin\n\n---- c stdout ----\nanother\n\n\nfailures:\n    a::b\n    c\n";
        let mut failures = Failures::default();
        output.lines().for_each(|line| failures.add(line));
        let said = |name: &str, lines: &[&str]| (name.to_owned(), lines.iter().copied().map(str::to_owned).collect());
        let expected = [
            said("a::b", &["before", "thread 'a::b' panicked at x.rs:1:2:", "1 is not 2"]),
            said("c", &["another"]),
        ];
        assert_eq!(failures.said, expected);
    }
}

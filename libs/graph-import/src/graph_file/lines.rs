//! Lines of bounded length: a file without line ends must not fill the memory.

use std::io::{self, BufRead, Read};

/// A line, its end included, is at most this long.
const MAX_LINE_BYTES: usize = 4_096;

/// One line.
pub(super) enum Line<'a> {
    /// Without its line end.
    Whole(&'a [u8]),
    /// It was skipped.
    TooLong,
}

/// Reads line by line into one buffer.
pub(super) struct Lines<R> {
    reader: R,
    line: Vec<u8>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::with_capacity(MAX_LINE_BYTES),
        }
    }

    /// Where the lines come from.
    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// The next line; `None` at the end.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let mut bounded = self.reader.by_ref().take(MAX_LINE_BYTES as u64);
        if bounded.read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.ends_with(b"\n") {
            self.line.pop();
        } else if self.line.len() == MAX_LINE_BYTES {
            self.reader.skip_until(b'\n')?;
            return Ok(Some(Line::TooLong));
        }
        Ok(Some(Line::Whole(&self.line)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_too_long_is_skipped_whole() {
        let mut text = b"first\n".to_vec();
        text.extend(b"x".repeat(3 * MAX_LINE_BYTES));
        text.extend(b"\nlast");
        let mut lines = Lines::new(&text[..]);
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            seen.push(match line {
                Line::Whole(bytes) => String::from_utf8(bytes.to_vec()).unwrap(),
                Line::TooLong => "(too long)".to_owned(),
            });
        }
        assert_eq!(seen, ["first", "(too long)", "last"]);
    }
}

//! One line of a file of edges.

use runtime::counted;

/// The largest account number: its handle, `u` and the number, has at most 15 characters.
pub const MAX_NUMBER: u64 = 99_999_999_999_999;

/// How much of a bad field is shown.
const SHOWN_CHARACTERS: usize = 24;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadLine {
    /// It has too few fields, or too many.
    #[error("two numbers are expected, {} found", counted(*.0, "field"))]
    FieldCount(u64),
    /// A field is something else than decimal digits.
    #[error("\"{0}\" is not a number")]
    NotANumber(String),
    /// The number does not fit a handle.
    #[error("{0} is too large: account numbers go up to {MAX_NUMBER}")]
    TooLarge(String),
    /// Nobody follows themselves.
    #[error("{0} cannot follow itself")]
    SelfLoop(u64),
    /// It is no line of such a file.
    #[error("the line is too long")]
    TooLong,
}

/// Reads `follower followee`, separated by spaces or tabs. `None` for a blank line or a comment.
pub(super) fn parse(line: &[u8]) -> Result<Option<(u64, u64)>, BadLine> {
    let line = line.strip_prefix(BYTE_ORDER_MARK).unwrap_or(line).trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return Ok(None);
    }
    let mut fields = fields(line);
    let (Some(first), Some(second), None) = (fields.next(), fields.next(), fields.next()) else {
        return Err(BadLine::FieldCount(self::fields(line).count() as u64));
    };
    let edge = (number(first)?, number(second)?);
    if edge.0 == edge.1 {
        return Err(BadLine::SelfLoop(edge.0));
    }
    Ok(Some(edge))
}

fn fields(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|&byte| byte == b' ' || byte == b'\t')
        .filter(|field| !field.is_empty())
}

fn number(field: &[u8]) -> Result<u64, BadLine> {
    if !field.iter().all(u8::is_ascii_digit) {
        return Err(BadLine::NotANumber(shown(field)));
    }
    field
        .iter()
        .try_fold(0_u64, |number, digit| {
            let number = number.checked_mul(10)?.checked_add(u64::from(digit - b'0'))?;
            (number <= MAX_NUMBER).then_some(number)
        })
        .ok_or_else(|| BadLine::TooLarge(shown(field)))
}

/// A field as a terminal may show it.
fn shown(field: &[u8]) -> String {
    let text = String::from_utf8_lossy(&field[..field.len().min(4 * SHOWN_CHARACTERS)]);
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARACTERS)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > SHOWN_CHARACTERS {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_blanks_and_comments() {
        assert_eq!(parse(b"1 2"), Ok(Some((1, 2))));
        assert_eq!(parse(b"\t0 \t 99999999999999\r"), Ok(Some((0, MAX_NUMBER))));
        for nothing in [&b""[..], b"  \t\r", b"# 1 2", b"  #"] {
            assert_eq!(parse(nothing), Ok(None));
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, expected) in [
            ("1", "two numbers are expected, 1 field found"),
            ("1 2 3", "two numbers are expected, 3 fields found"),
            ("1,2", "two numbers are expected, 1 field found"),
            ("1 -2", "\"-2\" is not a number"),
            ("1\u{a0}2 3", "\"1\u{a0}2\" is not a number"),
            ("a\u{7}b 3", "\"a\\u{7}b\" is not a number"),
            (
                "1 100000000000000",
                "100000000000000 is too large: account numbers go up to 99999999999999",
            ),
            ("7 7", "7 cannot follow itself"),
            ("07 7", "7 cannot follow itself"),
        ] {
            let error = parse(line.as_bytes()).unwrap_err().to_string();
            let expected = expected.replace('\u{a0}', "\\u{a0}");
            assert_eq!(error.replace('\u{a0}', "\\u{a0}"), expected);
        }
        let endless = "9".repeat(3_000) + " 1";
        let error = parse(endless.as_bytes()).unwrap_err().to_string();
        assert!(error.starts_with("999999999999999999999999… is too large"), "{error}");
    }
}

//! What may be tweeted.
//!
//! The length is counted as the field does, by [twitter-text](https://github.com/twitter/twitter-text) configuration 3:
//! at most 280 units, where Latin and most European characters count one, all others (and each emoji, however many code
//! points it takes) two, and a URL 23 whatever its length. The text is counted in NFC and stored as it was sent,
//! but for line ends: CR LF, which forms and some systems send, becomes a newline.
//!
//! The count is our own: the parser of the `twitter-text` crate takes time exponential in the text on some texts
//! (`http://a.com/((((…` of 250 bytes is enough to keep it busy for good), and panics on others.

mod length;
mod link;

use std::str::FromStr;

use length::weighted_length;
use model::is_blank;

/// Units at most.
const MAX_LENGTH: usize = 280;

/// Bytes at most: a text within the length may still carry endless combining marks.
const MAX_BYTES: usize = 8 * 1024;

/// Why a text can't be tweeted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// Nothing to see.
    #[error("The text is empty, or nothing of it can be seen: write something.")]
    Blank,
    /// Too long.
    #[error(
        "The text counts {length} where 280 are allowed (most characters count 1, emoji and CJK 2, a link 23): shorten it."
    )]
    TooLong {
        /// What it counts.
        length: usize,
    },
    /// Too many bytes.
    #[error("The text has more than 8192 bytes: shorten it.")]
    TooManyBytes,
    /// A control character, a direction override or a noncharacter.
    #[error(
        "The text contains U+{code:04X}, which is not allowed; of the control characters only newlines (LF or CR LF) are."
    )]
    Forbidden {
        /// Its code point.
        code: u32,
    },
}

/// A text that may be tweeted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TweetText(String);

impl TweetText {
    /// The text, its lines ended by newlines alone.
    pub fn into_string(self) -> String {
        self.0
    }
}

impl FromStr for TweetText {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > MAX_BYTES {
            return Err(InvalidText::TooManyBytes);
        }
        let text = text.replace("\r\n", "\n");
        if let Some(forbidden) = text.chars().find(|char| is_forbidden(*char)) {
            return Err(InvalidText::Forbidden {
                code: u32::from(forbidden),
            });
        }
        if is_blank(&text) {
            return Err(InvalidText::Blank);
        }
        let length = weighted_length(&text);
        if length > MAX_LENGTH {
            return Err(InvalidText::TooLong { length });
        }
        Ok(Self(text))
    }
}

/// Control characters but for newlines, and what twitter-text calls invalid: the byte order marks, the special U+FFFF and
/// the direction overrides, by which a text can be made to read as what it is not.
fn is_forbidden(char: char) -> bool {
    let control = char.is_control() && char != '\n';
    control || matches!(char, '\u{FFFE}' | '\u{FEFF}' | '\u{FFFF}' | '\u{202A}'..='\u{202E}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(text: &str) -> Result<(), InvalidText> {
        text.parse::<TweetText>().map(|_| ())
    }

    #[test]
    fn length_is_weighted() {
        assert_eq!(check(&"a".repeat(280)), Ok(()));
        assert_eq!(check(&"a".repeat(281)), Err(InvalidText::TooLong { length: 281 }));
        assert_eq!(check(&"\u{6f22}".repeat(140)), Ok(()));
        assert_eq!(
            check(&"\u{6f22}".repeat(141)),
            Err(InvalidText::TooLong { length: 282 })
        );
        let family = "\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}";
        assert_eq!(
            check(&family.repeat(140)),
            Ok(()),
            "an emoji counts two, however many code points it takes"
        );
        let link = format!("https://example.com/{}", "x".repeat(300));
        assert_eq!(check(&format!("{} {link}", "a".repeat(256))), Ok(()));
        assert!(check(&format!("{} {link}", "a".repeat(257))).is_err());
    }

    #[test]
    fn what_is_refused_says_why() {
        assert_eq!(check(""), Err(InvalidText::Blank));
        assert_eq!(check(" \n\u{3000}"), Err(InvalidText::Blank));
        assert_eq!(check("\u{200B}\u{3164}\r\n"), Err(InvalidText::Blank));
        assert_eq!(check("a\tb"), Err(InvalidText::Forbidden { code: 9 }));
        assert_eq!(check("a\0b"), Err(InvalidText::Forbidden { code: 0 }));
        assert_eq!(check("a\u{202E}b"), Err(InvalidText::Forbidden { code: 0x202E }));
        assert_eq!(
            check(&format!("a{}", "\u{301}".repeat(5000))),
            Err(InvalidText::TooManyBytes)
        );
        for alone in ["a\rb", "a\r", "a\r\r\nb", "a\n\rb"] {
            assert_eq!(check(alone), Err(InvalidText::Forbidden { code: 0xD }), "{alone:?}");
        }
    }

    #[test]
    fn lines_end_with_newlines() {
        let text: TweetText = "two\nlines\r\nthree\r\n".parse().unwrap();
        assert_eq!(text.into_string(), "two\nlines\nthree\n");
    }

    #[test]
    fn texts_that_are_hard_on_parsers() {
        for (part, tail) in [
            ("(", ""),
            ("(a", ""),
            ("()", ""),
            ("a.", "com"),
            ("www.", ""),
            ("a.com", ""),
            ("a-", ".com"),
            ("http://", ""),
            ("http://a.com/(", ""),
            ("\u{3042}a.com", ""),
            ("a.com?!", ""),
            ("\u{200D}", ""),
            ("\u{1F469}\u{200D}", ""),
            ("\u{301}", ""),
        ] {
            let body = part.repeat(4_000 / part.len());
            for head in ["", "a", "http://a.com/"] {
                let _ = check(&format!("{head}{body}{tail}"));
            }
        }
    }

    const PARTS: &str = "(https?://|[a-z]{1,5}|\\.|com|co\\.jp|[/?=&#@$()_!:-]|[0-9]|\\PC|\u{1F469}|\u{200D}|\u{FE0F}|\u{1F3FD}|\u{301}|\r?\n| ){0,100}";

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn no_text_makes_it_panic(text in PARTS) {
            let _ = check(&text);
        }

        #[test]
        fn a_word_more_counts_itself(text in PARTS) {
            let longer = format!("{text} word");
            prop_assert_eq!(weighted_length(&longer), weighted_length(&text) + 5);
        }
    }
}

//! How long a text is, as twitter-text counts (configuration 3).

use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

use super::link::links;

/// What a link counts, however long it is.
const LINK: usize = 23;
/// What an emoji counts, however many code points it takes.
const EMOJI: usize = 2;
/// No emoji is longer, so that looking for one is bounded.
const MAX_EMOJI_BYTES: usize = 64;

/// The length of the text in NFC.
pub(super) fn weighted_length(text: &str) -> usize {
    // Most texts are this simple: without a dot there is no link.
    if text.is_ascii() && !text.contains('.') {
        return text.len();
    }
    let text: String = text.nfc().collect();
    let (mut length, mut at) = (0, 0);
    for link in links(&text) {
        length += plain_length(&text[at..link.start]) + LINK;
        at = link.end;
    }
    length + plain_length(&text[at..])
}

fn plain_length(text: &str) -> usize {
    if text.is_ascii() {
        return text.len();
    }
    text.graphemes(true).map(cluster_length).sum()
}

/// A cluster is what a reader takes for one character: an emoji, or several that no font shows as one.
fn cluster_length(mut cluster: &str) -> usize {
    let mut length = 0;
    while let Some(first) = cluster.chars().next() {
        let emoji = emoji_at_start(cluster).map(|bytes| (EMOJI, bytes));
        let (counted, bytes) = emoji.unwrap_or_else(|| (weight(first), first.len_utf8()));
        length += counted;
        cluster = &cluster[bytes..];
    }
    length
}

/// How many bytes the longest emoji at the start takes, if there is one.
fn emoji_at_start(cluster: &str) -> Option<usize> {
    // None begins below, but for keycaps, © and ®.
    if cluster.len() == 1 || cluster.starts_with(|char| ('\u{AF}'..'\u{203C}').contains(&char)) {
        return None;
    }
    let longest = cluster.floor_char_boundary(MAX_EMOJI_BYTES);
    let is_emoji = |prefix: &str| {
        let is_keycap = prefix.ends_with('\u{20E3}');
        emojis::get(prefix).is_some() && (is_keycap || !prefix.starts_with(|char: char| char.is_ascii()))
    };
    (1..=longest)
        .rev()
        .find(|end| cluster.get(..*end).is_some_and(is_emoji))
}

/// Latin and other scripts that take one unit a sound, and the punctuation that goes with them, weigh one.
fn weight(char: char) -> usize {
    match u32::from(char) {
        0..=4351 | 8192..=8205 | 8208..=8223 | 8242..=8247 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::weighted_length;

    #[test]
    fn lengths() {
        for (text, length) in [
            ("", 0),
            ("This is a test.", 15),
            ("\u{c0}\u{e9}\u{10ff}", 3),
            ("e\u{301}", 1),
            ("\u{6f22}\u{5b57}", 4),
            ("\u{1100}\u{1161}", 2),
            ("H\u{1F431}\u{263A}", 5),
            ("\u{1F468}\u{200D}\u{1F469}\u{200D}\u{1F467}\u{200D}\u{1F466}", 2),
            ("\u{1F64B}\u{1F3FD}\u{1F468}\u{200D}\u{1F3A4}", 4),
            ("\u{1F1E9}\u{1F1EA}", 2),
            ("1\u{FE0F}\u{20E3}", 2),
            ("1\u{20E3}", 2),
            ("1\u{FE0F}", 3),
            ("12#*", 4),
            ("\u{2764}\u{FE0F}", 2),
            ("\u{1F600}\u{301}", 3),
            ("\u{201C}a\u{2014}b\u{201D}", 5),
            ("a\r\nb", 4),
            ("http://test.com", 23),
            ("test.com", 23),
            ("Test https://test.com test https://test.com test.com test", 86),
            ("\u{6f22} test.com/\u{e9} \u{6f22}", 29),
            ("no link.nosuchdomain", 20),
        ] {
            assert_eq!(weighted_length(text), length, "{text}");
        }
    }
}

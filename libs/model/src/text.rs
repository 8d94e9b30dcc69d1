//! What people write.

use icu_properties::CodePointSetData;
use icu_properties::props::DefaultIgnorableCodePoint;

/// Whether a text shows nothing: spaces, what Unicode lets a renderer leave out when it does not know it (joiners, fillers,
/// variation selectors), and the letters and symbols that are drawn as empty space.
pub fn is_blank(text: &str) -> bool {
    let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
    text.chars()
        .all(|char| char.is_whitespace() || ignorable.contains(char) || is_drawn_empty(char))
}

/// The Braille pattern without dots, the musical note without a head, and the Egyptian blanks: by their names in the
/// Unicode Character Database; no property tells them.
fn is_drawn_empty(char: char) -> bool {
    matches!(char, '\u{2800}' | '\u{1D159}' | '\u{13441}' | '\u{13442}')
}

#[cfg(test)]
mod tests {
    use super::is_blank;

    #[test]
    fn blank_is_what_shows_nothing() {
        for blank in [
            "",
            " \n\u{3000}",
            "\u{200B}",
            "\u{3164}",
            "\u{115F}\u{1160}\u{FFA0}",
            "\u{AD}\u{34F}\u{2060}\u{FE0F}\u{E0020}",
            "\u{200D} \u{2800}\u{A0}",
        ] {
            assert!(is_blank(blank), "{blank:?}");
        }
        for seen in [
            "a",
            "\u{200B}.",
            "\u{1F469}\u{200D}\u{1F467}",
            "\u{3042}",
            "\u{915}\u{200C}",
        ] {
            assert!(!is_blank(seen), "{seen:?}");
        }
    }
}

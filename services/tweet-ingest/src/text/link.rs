//! Finds links as twitter-text does, because a link counts the same however long it is.
//!
//! twitter-text finds them with a regular expression that looks ahead, looks behind and backtracks. Texts come from
//! anybody, so this is a scanner instead: it goes over the text once, and each step moves on. What it leaves out: `t.co`
//! links are as any other. Top-level domains are IANA's.

use std::ops::Range;

/// A link that is longer than this is text.
const MAX_LINK_BYTES: usize = 4_096;
const MAX_HOST_BYTES: usize = 253;
const MAX_LABEL_BYTES: usize = 63;

/// Where the links are, in order.
pub(super) fn links(text: &str) -> Vec<Range<usize>> {
    let mut links: Vec<Range<usize>> = Vec::new();
    let (mut at, mut free_from) = (0, 0);
    while let Some(start) = text[at..].find(is_host).map(|offset| at + offset) {
        let run = start..end_of(text, start, is_host);
        let found = match protocol_before(text, start, free_from) {
            Some(protocol) => with_protocol(text, protocol, run.clone()).into_iter().collect(),
            None => without_protocol(text, run.clone()),
        };
        at = run.end;
        if let Some(last) = found.last() {
            // A link that is too long is passed over too: looking within it, again and again, takes time.
            (at, free_from) = (last.end, last.end);
        }
        links.extend(found.into_iter().filter(|link| link.len() <= MAX_LINK_BYTES));
    }
    links
}

fn with_protocol(text: &str, protocol: usize, run: Range<usize>) -> Option<Range<usize>> {
    let end = run.start + host_length(&text[run.clone()], text[run.end..].chars().next())?;
    Some(protocol..end_of_rest(text, end))
}

/// Without a protocol only the ASCII (and Latin) parts of a name count: in `見てexample.com`, `example.com`.
fn without_protocol(text: &str, run: Range<usize>) -> Vec<Range<usize>> {
    let before = text[..run.start].chars().next_back();
    let begins_badly = text[run.clone()].starts_with(['-', '_', '.']);
    if begins_badly || before.is_some_and(|char| matches!(char, '@' | '$' | '#' | '/')) {
        return Vec::new();
    }
    let Some(length) = host_length(&text[run.clone()], text[run.end..].chars().next()) else {
        return Vec::new();
    };
    let end = run.start + length;
    let mut found = Vec::new();
    let mut at = run.start;
    while let Some(start) = text[at..end].find(is_ascii_host).map(|offset| at + offset) {
        let stop = end_of(&text[..end], start, is_ascii_host);
        if let Some(length) = host_length(&text[start..stop], text[stop..].chars().next()) {
            found.push(start..start + length);
        }
        at = stop;
    }
    if let Some(last) = found.last_mut().filter(|last| last.end == end) {
        last.end = end_of_rest(text, end);
    }
    found
}

/// Where `http://` or `https://` begins, if it ends at `host` and may begin where it does.
fn protocol_before(text: &str, host: usize, free_from: usize) -> Option<usize> {
    let before = &text.as_bytes()[free_from..host];
    let length = [&b"http://"[..], b"https://"].into_iter().find_map(|protocol| {
        let at = before.len().checked_sub(protocol.len())?;
        before[at..].eq_ignore_ascii_case(protocol).then_some(protocol.len())
    })?;
    let start = host - length;
    let glued = |char: char| char.is_ascii_alphanumeric() || matches!(char, '@' | '$' | '#' | '\u{FF20}' | '\u{FF03}');
    (!text[..start].chars().next_back().is_some_and(glued)).then_some(start)
}

/// How much of the run is a host name: the longest part, from its start, whose last label is a top-level domain.
fn host_length(run: &str, after: Option<char>) -> Option<usize> {
    let mut longest = None;
    let mut at = 0;
    let mut name_is_whole = false;
    for label in run.split('.') {
        if at > MAX_HOST_BYTES {
            break;
        }
        if name_is_whole && let Some(length) = top_level_domain(&run[at..], after) {
            longest = Some(at + length);
        }
        if !is_label(label) {
            break;
        }
        name_is_whole = !label.contains('_');
        at += label.len() + 1;
    }
    longest.filter(|length| *length <= MAX_HOST_BYTES)
}

fn is_label(label: &str) -> bool {
    let bounded = (1..=MAX_LABEL_BYTES).contains(&label.len());
    bounded && !label.starts_with(['-', '_']) && !label.ends_with(['-', '_'])
}

/// The length of the top-level domain at the start of `rest`, if one ends where it may.
fn top_level_domain(rest: &str, after: Option<char>) -> Option<usize> {
    if rest.get(..4).is_some_and(|prefix| prefix.eq_ignore_ascii_case("xn--")) {
        let end = end_of(rest, 4, |char| char.is_ascii_alphanumeric() || char == '-');
        return (end > 4).then_some(end);
    }
    let is_ascii = rest.starts_with(|char: char| char.is_ascii());
    let end = end_of(rest, 0, |char| char.is_alphanumeric() && char.is_ascii() == is_ascii);
    let domain = rest
        .get(..end)
        .filter(|domain| (1..=MAX_LABEL_BYTES).contains(&domain.len()))?;
    let next = rest[end..].chars().next().or(after);
    let glued = |char: char| char.is_ascii_alphanumeric() || matches!(char, '@' | '+' | '-');
    (!next.is_some_and(glued) && exists(domain)).then_some(end)
}

fn exists(domain: &str) -> bool {
    idna::domain_to_ascii(domain).is_ok_and(|ascii| tld::exist(&ascii))
}

/// Where port, path and query end, if there are any.
fn end_of_rest(text: &str, host_end: usize) -> usize {
    let mut end = host_end;
    if text[end..].starts_with(':') {
        let port = end_of(text, end + 1, |char| char.is_ascii_digit());
        end = if port > end + 1 { port } else { end };
    }
    if text[end..].starts_with('/') {
        end = end_of_path(text, end + 1);
    }
    if text[end..].starts_with('?') {
        let query = end_of(text, end + 1, is_query);
        let ending = text[end + 1..query].rfind(is_query_end);
        end = ending.map_or(end, |offset| end + 1 + offset + 1);
    }
    end
}

/// A path ends with a character that may end one, or with balanced parentheses, as those of Wikipedia do.
fn end_of_path(text: &str, start: usize) -> usize {
    let (mut at, mut end) = (start, start);
    while let Some(char) = text[at..].chars().next() {
        if char == '(' {
            let Some(closed) = end_of_parentheses(text, at) else {
                break;
            };
            (at, end) = (closed, closed);
        } else if is_path(char) {
            at += char.len_utf8();
            if is_path_end(char) {
                end = at;
            }
        } else {
            break;
        }
    }
    end
}

/// `(…)` or `(…(…)…)`.
fn end_of_parentheses(text: &str, open: usize) -> Option<usize> {
    let mut at = end_of(text, open + 1, is_path);
    let mut is_empty = at == open + 1;
    if text[at..].starts_with('(') {
        let inner = end_of(text, at + 1, is_path);
        if inner == at + 1 || !text[inner..].starts_with(')') {
            return None;
        }
        at = end_of(text, inner + 1, is_path);
        is_empty = false;
    }
    (!is_empty && text[at..].starts_with(')')).then_some(at + 1)
}

fn end_of(text: &str, start: usize, belongs: impl Fn(char) -> bool) -> usize {
    text[start..]
        .find(|char| !belongs(char))
        .map_or(text.len(), |offset| start + offset)
}

fn is_host(char: char) -> bool {
    if char.is_ascii() {
        return char.is_ascii_alphanumeric() || matches!(char, '.' | '-' | '_');
    }
    let directional =
        matches!(char, '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}');
    !(char.is_whitespace() || char.is_control() || directional || matches!(char, '\u{FEFF}' | '\u{FF20}' | '\u{FF03}'))
}

fn is_ascii_host(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '.' | '-') || is_accented_latin(char)
}

fn is_word(char: char) -> bool {
    char.is_ascii_alphanumeric() || is_accented_latin(char) || matches!(char, '\u{400}'..='\u{4FF}')
}

fn is_path(char: char) -> bool {
    let other = matches!(
        char,
        '!' | '*' | '\'' | ';' | ':' | ',' | '.' | '$' | '%' | '[' | ']' | '~' | '@' | '|' | '&' | '\u{2013}'
    );
    other || is_path_end(char)
}

fn is_path_end(char: char) -> bool {
    is_word(char) || matches!(char, '+' | '-' | '=' | '_' | '#' | '/')
}

fn is_query(char: char) -> bool {
    let other = matches!(
        char,
        '!' | '?' | '*' | '\'' | '@' | '(' | ')' | ';' | ':' | '+' | '$' | '%' | '[' | ']' | '.' | ',' | '~' | '|'
    );
    other || is_query_end(char)
}

fn is_query_end(char: char) -> bool {
    char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '&' | '=' | '#' | '/')
}

fn is_accented_latin(char: char) -> bool {
    matches!(char,
        '\u{C0}'..='\u{D6}' | '\u{D8}'..='\u{F6}' | '\u{F8}'..='\u{24F}' | '\u{253}' | '\u{254}' | '\u{256}' | '\u{257}'
        | '\u{259}' | '\u{25B}' | '\u{263}' | '\u{268}' | '\u{26F}' | '\u{272}' | '\u{289}' | '\u{28B}' | '\u{2BB}'
        | '\u{300}'..='\u{36F}' | '\u{1E00}'..='\u{1EFF}')
}

#[cfg(test)]
mod tests {
    use super::links;

    fn found(text: &str) -> Vec<&str> {
        links(text).into_iter().map(|link| &text[link]).collect()
    }

    #[test]
    fn links_are_found_whole() {
        for link in [
            "http://example.com",
            "HTTPS://www.ExaMPLE.COM/index.html",
            "https://example.com:8080/path/to?search=foo&lang=en",
            "http://test_underscore.example.com",
            "http://twitter.com/#!/twitter",
            "http://\u{2603}.net/",
            "http://example.\u{4e2d}\u{56fd}/",
            "http://xn--fiqs8s.xn--fiqs8s",
            "http://example.com/\u{420}\u{443}\u{441}\u{441}\u{43a}\u{438}\u{435}_\u{441}\u{43b}\u{43e}\u{432}\u{430}",
            "https://en.wikipedia.org/wiki/Rook_(bird)",
            "https://example.com/a_(b_(c)_d)",
            "example.com",
            "foo.co.jp/path?a=b",
            "www.example.com/a-b_c/",
        ] {
            assert_eq!(found(link), [link]);
            assert_eq!(found(&format!("see {link}, or")), [link]);
            assert_eq!(found(&format!("({link})")), [link]);
        }
    }

    #[test]
    fn what_looks_like_a_link_is_not_always_one() {
        for text in [
            "http://localhost/a",
            "http://example.nosuchdomain",
            "xhttp://example.com",
            "mail@example.com",
            "@example.com",
            "#example.com",
            "/example.com",
            "-example.com",
            "..example.com",
            "foo..com",
            "end.Of the sentence",
            "1.5",
            "foo_bar.com",
            "example.com@host",
            "http://-example.com",
            "com",
        ] {
            assert!(found(text).is_empty(), "{text}: {:?}", found(text));
        }
    }

    #[test]
    fn links_end_where_they_should() {
        assert_eq!(found("https://example.com."), ["https://example.com"]);
        assert_eq!(found("https://example.com/a!"), ["https://example.com/a"]);
        assert_eq!(found("https://example.com/a(b"), ["https://example.com/a"]);
        assert_eq!(found("https://example.com?a=b."), ["https://example.com?a=b"]);
        assert_eq!(found("https://example.com:x"), ["https://example.com"]);
        assert_eq!(found("example.com.nosuchdomain"), ["example.com"]);
        assert_eq!(found("\u{898b}\u{3066}example.com/a\u{898b}"), ["example.com/a"]);
        assert_eq!(found("example.com example.org"), ["example.com", "example.org"]);
        assert_eq!(found("http://example.com\u{3002}\u{6b21}"), ["http://example.com"]);
    }

    #[test]
    fn what_no_resolver_would_take_is_text() {
        assert!(found(&format!("https://{}.com", "a".repeat(64))).is_empty());
        assert!(found(&format!("https://{}com", "a.".repeat(130))).is_empty());
        assert!(found(&format!("https://example.com/{}", "a".repeat(4_096))).is_empty());
    }
}

//! What an import came to, in words.

use std::fmt::Write;
use std::time::Duration;

use runtime::counted;
use storage::ImportCounts;

/// One line, and one more for each kind of refusal that there was.
pub(crate) fn of(made: &ImportCounts, took: Duration) -> String {
    let mut text = format!(
        "{} made, {} made, {} stood already, in {:.1} s\n",
        counted(made.accounts, "account"),
        counted(made.edges, "edge"),
        counted(made.standing, "edge"),
        took.as_secs_f64()
    );
    let refusals = [
        (made.deleted, "an account that is deleted"),
        (made.blocked, "a block between the two accounts"),
        (
            made.signed_up,
            "an account that somebody signed up for, which may not be the file's; --attach imports them too",
        ),
    ];
    for (edges, why) in refusals.into_iter().filter(|(edges, _)| *edges > 0) {
        // Writing to a string cannot fail.
        _ = writeln!(text, "{} refused: {why}", counted(edges, "edge"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_in_the_singular_and_refusals_only_where_there_are_some() {
        let mut made = ImportCounts {
            accounts: 2,
            edges: 1,
            ..ImportCounts::default()
        };
        let took = Duration::from_millis(1_540);
        assert_eq!(
            of(&made, took),
            "2 accounts made, 1 edge made, 0 edges stood already, in 1.5 s\n"
        );
        (made.deleted, made.blocked) = (1, 3);
        let text = of(&made, took);
        let refused = text.split_once('\n').unwrap().1;
        assert_eq!(
            refused,
            "1 edge refused: an account that is deleted\n3 edges refused: a block between the two accounts\n"
        );
    }
}

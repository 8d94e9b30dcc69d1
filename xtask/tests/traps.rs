//! `docs/traps.md` tells the truth: each trap has a test, each test is told of, and each guard is where it is said to be.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const TRAPS: usize = 24;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A line of the table.
struct Row {
    number: usize,
    guard: String,
    tests: BTreeSet<String>,
}

fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join("docs/traps.md")).unwrap();
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
    let row = |line: &str| match cells(line).as_slice() {
        [_, number, _, guard, tests, _] => Some(Row {
            number: number.parse().ok()?,
            guard: guard.clone(),
            tests: code(tests).map(str::to_owned).collect(),
        }),
        _ => None,
    };
    page.lines().filter_map(row).collect()
}

/// What stands in code marks.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// All sources, but for this one.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "data" && name != "xtask" {
            sources(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            found.push(path);
        }
    }
}

/// The names of all functions that are named after a trap.
fn tests() -> BTreeSet<String> {
    let mut files = Vec::new();
    sources(root(), &mut files);
    let texts = files.iter().map(|path| fs::read_to_string(path).unwrap());
    let names = |text: String| {
        let after_fn = text.split("fn ").skip(1).map(str::to_owned).collect::<Vec<_>>();
        after_fn
            .into_iter()
            .filter_map(|rest| Some(rest.split_once('(')?.0.to_owned()))
    };
    texts.flat_map(names).filter(|name| name.starts_with("trap_")).collect()
}

#[test]
fn each_trap_has_a_test_that_is_named_after_it() {
    let rows = rows();
    let numbers: Vec<usize> = rows.iter().map(|row| row.number).collect();
    assert_eq!(numbers, (1..=TRAPS).collect::<Vec<_>>());
    for row in rows {
        let prefix = format!("trap_{:02}_", row.number);
        assert!(!row.tests.is_empty(), "trap {} has no test", row.number);
        for test in row.tests {
            assert!(
                test.starts_with(&prefix),
                "{test} is in the line of trap {}",
                row.number
            );
        }
    }
}

#[test]
fn the_tests_that_are_told_of_are_those_that_are_there() {
    let told: BTreeSet<String> = rows().into_iter().flat_map(|row| row.tests).collect();
    assert_eq!(told, tests());
}

/// A guard is told by its file, and by functions in it.
#[test]
fn guards_are_where_they_are_said_to_be() {
    for row in rows() {
        let mut text = None;
        for name in code(&row.guard) {
            if name.contains('/') {
                let read = fs::read_to_string(root().join(name));
                text = Some(read.unwrap_or_else(|_| panic!("{name}, of trap {}, is not there", row.number)));
            } else if name.starts_with(|c: char| c.is_ascii_lowercase()) {
                let text = text.as_ref().expect("a file comes first");
                let is_there = ["(", "<"].iter().any(|open| text.contains(&format!("fn {name}{open}")));
                assert!(is_there, "{name}, of trap {}, is not there", row.number);
            }
        }
        assert!(text.is_some(), "trap {} has no guard", row.number);
    }
}

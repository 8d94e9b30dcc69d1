//! What the documents say is there, is there: the files that they link to and the types that they name.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// All files below a folder with this ending, leaving out what is built, stored or hidden.
fn files(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy();
        if path.is_dir() && !name.starts_with('.') && name != "target" && name != "data" {
            files(&path, ending, found);
        } else if path.is_file() && name.ends_with(ending) {
            found.push(path);
        }
    }
}

fn all_files(ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    files(root(), ending, &mut found);
    assert!(!found.is_empty(), "there is something to check");
    found
}

/// What stands between two marks, each time.
fn between<'a>(text: &'a str, open: &'a str, close: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(open)
        .skip(1)
        .filter_map(move |rest| Some(rest.split_once(close)?.0))
}

#[test]
fn links_lead_to_files() {
    for document in all_files(".md") {
        let text = fs::read_to_string(&document).unwrap();
        for link in between(&text, "](", ")") {
            let target = link.split('#').next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = document.parent().unwrap().join(target);
            assert!(
                path.exists(),
                "{} links to {link}, which is not there",
                document.display()
            );
        }
    }
}

/// Names such as `PushBatch` in code marks: two humps at least.
fn type_names(markdown: &str) -> BTreeSet<&str> {
    let code = markdown.split('`').skip(1).step_by(2);
    let words = code.flat_map(|code| code.split(|c: char| !c.is_ascii_alphanumeric()));
    words
        .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
        .filter(|word| word.contains(|c: char| c.is_ascii_lowercase()))
        .collect()
}

/// The words that a line of Rust declares: a type, a trait, a variant, or what it takes from the standard library.
fn declared(line: &str) -> Vec<&str> {
    let line = line.trim_start();
    let words = || {
        line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| !word.is_empty())
    };
    let is_keyword = |word: &&str| ["struct", "enum", "trait", "type"].contains(word);
    if line.starts_with("//") {
        Vec::new()
    } else if line.starts_with("use std") {
        words().collect()
    } else if words().any(|word| is_keyword(&word)) {
        words().skip_while(|word| !is_keyword(word)).skip(1).take(1).collect()
    } else {
        words().take(1).collect()
    }
}

#[test]
fn the_types_that_documents_name_are_declared() {
    let sources: Vec<String> = all_files(".rs")
        .iter()
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let known: BTreeSet<&str> = sources
        .iter()
        .flat_map(|text| text.lines())
        .flat_map(declared)
        .collect();
    let mut documents = vec![root().join("ARCHITECTURE.md")];
    files(&root().join("docs/decisions"), ".md", &mut documents);
    for document in documents {
        let text = fs::read_to_string(&document).unwrap();
        for name in type_names(&text) {
            assert!(
                known.contains(name),
                "{} names {name}, which nothing declares",
                document.display()
            );
        }
    }
}

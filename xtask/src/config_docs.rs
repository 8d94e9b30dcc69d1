//! `cargo xtask config-docs`: the page of all settings, made from the sample file.
//!
//! `config/rookery.toml` has every key with its default and what it means; a test of `runtime` keeps that true. The page
//! shows the same as a table, by the names that the environment uses.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cargo::workspace_root;
use crate::doc_table::row;

pub(crate) const SAMPLE: &str = "config/rookery.toml";
const PAGE: &str = "docs/configuration.md";

const INTRODUCTION: &str = "\
# Configuration

<!-- Made from config/rookery.toml by `cargo xtask config-docs`: change that file. -->

Every setting has a default. A file (`rookery --config FILE`, TOML, as in [config/rookery.toml](../config/rookery.toml))
wins over the defaults, and the environment wins over the file. In the environment a key is `ROOKERY__` and its path in
capitals, with `__` between levels; an empty variable counts as absent. A secret may also come from a file whose path is
in the variable of that name with `_FILE` appended.

Everything that can be known to be wrong without asking a store (unknown keys, bad values, missing settings, keys that are no
keys) ends the start with exit code 64, after all of it has been listed; `rookery` looks at its keys after that. So does what PostgreSQL and Redis refuse then, such as
a login or a schema that is too new: all of it together. What may pass, such as a store that is away, is waited for, and
`/readyz` says all of why.

";

/// A key of the sample file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) path: String,
    /// As TOML; without one the key is commented out in the sample.
    default: Option<String>,
    meaning: String,
}

/// Writes the page.
pub(crate) fn run() -> Result<ExitCode> {
    let root = workspace_root();
    let sample = fs::read_to_string(root.join(SAMPLE)).with_context(|| format!("reading {SAMPLE}"))?;
    fs::write(root.join(PAGE), page(&sample)).with_context(|| format!("writing {PAGE}"))?;
    println!("xtask: {PAGE} is as {SAMPLE}");
    Ok(ExitCode::SUCCESS)
}

fn page(sample: &str) -> String {
    let mut page = format!("{INTRODUCTION}| variable | default | meaning |\n|---|---|---|\n");
    for key in keys(sample) {
        let variable = format!("ROOKERY__{}", key.path.to_uppercase().replace('.', "__"));
        page.push_str(&row(&variable, key.default.as_deref(), &key.meaning));
    }
    page
}

/// The keys, in the order of the file. What a key means stands in the comment lines right above it; a line such as
/// `#key = value` is a key that has no default.
pub(crate) fn keys(sample: &str) -> Vec<Key> {
    let mut keys = Vec::new();
    let (mut section, mut meaning) = (String::new(), Vec::new());
    for line in sample.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
            meaning.clear();
        } else if let Some(text) = line.strip_prefix("# ") {
            meaning.push(text);
        } else if let Some((name, value)) = line.split_once(" = ") {
            let commented_out = name.strip_prefix('#');
            keys.push(Key {
                path: format!("{section}{}", commented_out.unwrap_or(name)),
                default: commented_out.is_none().then(|| value.to_owned()),
                meaning: meaning.join(" "),
            });
            meaning.clear();
        } else {
            meaning.clear();
        }
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_with_their_section_default_and_meaning() {
        let sample = "# About the file.\n\n# Top.\nroot = 1\n\n[http]\n# Where it\n# listens.\naddr = \"x\"\n# How many.\n#workers = 4\n";
        let key = |path: &str, default: Option<&str>, meaning: &str| Key {
            path: path.to_owned(),
            default: default.map(str::to_owned),
            meaning: meaning.to_owned(),
        };
        let expected = [
            key("root", Some("1"), "Top."),
            key("http.addr", Some("\"x\""), "Where it listens."),
            key("http.workers", None, "How many."),
        ];
        assert_eq!(keys(sample), expected);
    }

    #[test]
    fn the_page_is_up_to_date() {
        let root = workspace_root();
        let sample = fs::read_to_string(root.join(SAMPLE)).unwrap();
        let page_there = fs::read_to_string(root.join(PAGE)).unwrap();
        assert!(page_there == page(&sample), "run `cargo xtask config-docs`");
    }
}

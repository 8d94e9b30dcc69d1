//! `cargo xtask chart-docs`: the table of values in the chart's README, made from `values.yaml`.
//!
//! What a value means stands in the comment lines right above it; its default is what follows the colon, on the same line.

use std::fs;
use std::process::ExitCode;

use anyhow::{Context, Result};

use super::folder;
use crate::doc_table::row;

/// Everything below this line of the README is made.
const MARK: &str = "## Values\n";

const HEAD: &str = "
<!-- Made from values.yaml by `cargo xtask chart-docs`: change that file. -->

| value | default | meaning |
|---|---|---|
";

/// Writes the table.
pub(crate) fn run() -> Result<ExitCode> {
    let readme = folder().join("README.md");
    let text = fs::read_to_string(&readme).with_context(|| readme.display().to_string())?;
    let values = fs::read_to_string(folder().join("values.yaml")).context("values.yaml")?;
    fs::write(&readme, page(&text, &values)).with_context(|| readme.display().to_string())?;
    println!("xtask: {} is as values.yaml", readme.display());
    Ok(ExitCode::SUCCESS)
}

/// The README as it should be.
fn page(readme: &str, values: &str) -> String {
    let (above, _) = readme.split_once(MARK).unwrap_or((readme, ""));
    let rows: String = rows(values).collect();
    format!("{above}{MARK}{HEAD}{rows}")
}

/// The lines of the table, in the order of the file.
fn rows(values: &str) -> impl Iterator<Item = String> {
    let (mut path, mut meaning) = (Vec::new(), Vec::new());
    values.lines().filter_map(move |line| {
        let text = line.trim_start();
        if let Some(comment) = text.strip_prefix("# ") {
            meaning.push(comment.to_owned());
            return None;
        }
        let meaning = std::mem::take(&mut meaning).join(" ");
        let (key, default) = text.split_once(':')?;
        path.truncate((line.len() - text.len()) / 2);
        path.push(key.to_owned());
        let default = Some(default.trim()).filter(|default| !default.is_empty());
        (!meaning.is_empty()).then(|| match default {
            Some(default) => row(&path.join("."), Some(default), &meaning),
            None => format!("| `{}` | | {meaning} |\n", path.join(".")),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_with_their_path_default_and_meaning() {
        let values = "# About the file.\n\n# All of it.\na:\n  # Two\n  # lines.\n  b: {c: 1}\n  d:\n    # An | e.\n    e: \"\"\nf: 1\n# G.\ng: []\n";
        let rows: Vec<String> = rows(values).collect();
        let expected = [
            "| `a` | | All of it. |\n",
            "| `a.b` | `{c: 1}` | Two lines. |\n",
            "| `a.d.e` | `\"\"` | An \\| e. |\n",
            "| `g` | `[]` | G. |\n",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn the_readme_is_up_to_date() {
        let readme = fs::read_to_string(folder().join("README.md")).unwrap();
        let values = fs::read_to_string(folder().join("values.yaml")).unwrap();
        assert!(readme == page(&readme, &values), "run `cargo xtask chart-docs`");
    }

    #[test]
    fn every_value_has_a_meaning() {
        let values = fs::read_to_string(folder().join("values.yaml")).unwrap();
        let is_value = |line: &&str| !line.trim_start().starts_with('#') && line.contains(": ");
        let bare: Vec<&str> = values
            .lines()
            .zip(values.lines().skip(1))
            .filter(|(above, line)| is_value(line) && !above.trim_start().starts_with('#'))
            .map(|(_, line)| line)
            .collect();
        assert!(bare.is_empty(), "no comment above {bare:#?}");
    }
}

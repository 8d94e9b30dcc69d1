//! Tables of settings in documents.

/// A line of a table: name, default if there is one, meaning.
pub(crate) fn row(name: &str, default: Option<&str>, meaning: &str) -> String {
    let default = default.map_or(String::from("none"), |default| format!("`{default}`"));
    format!("| `{name}` | {default} | {} |\n", meaning.replace('|', "\\|"))
}

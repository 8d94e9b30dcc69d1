//! What linters say to files that are no Rust.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cargo::workspace_root;
use crate::tools::{HADOLINT, ShellCheck, Tool, ZIZMOR};

/// Runs a linter over files; it must find nothing.
fn check(linter: &dyn Tool, arguments: &[&str], files: &[PathBuf]) {
    let Some(program) = linter.find() else {
        eprintln!("SKIPPED: there is no {}; `cargo xtask test` installs it", linter.name());
        return;
    };
    let output = Command::new(program).args(arguments).args(files).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
}

/// Folders that scripts are in, and what of them is one.
fn scripts() -> Vec<PathBuf> {
    let folders = [".ci", "docker", "helm/rookery/files", "k8s"].map(|folder| workspace_root().join(folder));
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let paths = files.map(|file| file.unwrap().path()).filter(|path| path.is_file());
    paths
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text.starts_with("#!")))
        .collect()
}

#[test]
fn scripts_are_clean() {
    let scripts = scripts();
    assert!(scripts.len() >= 3, "{scripts:?}");
    check(&ShellCheck, &["--external-sources"], &scripts);
}

#[test]
fn the_dockerfile_is_clean() {
    check(&HADOLINT, &[], &[workspace_root().join("Dockerfile")]);
}

#[test]
fn workflows_are_clean() {
    let workflows = workspace_root().join(".github/workflows");
    check(
        &ZIZMOR,
        &["--offline", "--no-progress", "--persona", "pedantic"],
        &[workflows],
    );
}

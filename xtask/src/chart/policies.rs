//! Policies that the manifests keep to, by a linter.

use std::fs;

use super::helm::{Program, ci};
use crate::tools::CHECKOV;

/// What the linter asks for and the chart leaves undone.
const EXCEPTIONS: [(&str, &str); 4] = [
    (
        "CKV_K8S_11",
        "a limit of CPU throttles whoever is served just then; requests share it out",
    ),
    (
        "CKV_K8S_15",
        "a tag of ours never moves, so there is nothing to ask the registry for",
    ),
    ("CKV_K8S_21", "the release's namespace is the user's choice"),
    (
        "CKV_K8S_43",
        "a digest may be a part of image.tag; the chart does not know it",
    ),
];

/// And what only the trial stores leave undone.
const OF_TRIAL_STORES: [(&str, &str); 1] = [("CKV_K8S_40", "their files belong to the user of the official images")];

fn check(values: &str, exceptions: &[(&str, &str)]) {
    let Some(helm) = Program::find() else { return };
    let Some(mut checkov) = CHECKOV.command() else {
        eprintln!("SKIPPED: there is no checkov; `cargo xtask test` installs it");
        return;
    };
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    // The pod of `helm test` serves nothing that a probe could ask.
    fs::write(&file, helm.template(&ci(values), &["--skip-tests"])).unwrap();
    let skipped: Vec<&str> = exceptions.iter().map(|(check, _)| *check).collect();
    checkov.args(["--framework", "kubernetes", "--compact", "--quiet"]);
    checkov.args(["--skip-check", &skipped.join(","), "--file"]);
    let output = checkov.arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_services_keep_to_them() {
    check("external.yaml", &EXCEPTIONS);
}

#[test]
fn the_trial_stores_keep_to_them() {
    check("trial.yaml", &[EXCEPTIONS.as_slice(), &OF_TRIAL_STORES].concat());
}

//! The manifests that the chart makes.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::pkcs8::{DecodePrivateKey, EncodePublicKey};

use super::helm::{Program, ci, values_files};
use crate::cargo::workspace_root;
use crate::tools::KUBERNETES_VALIDATE;

/// Versions of Kubernetes that the chart is for.
const VERSIONS: [&str; 6] = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35"];

/// What a snapshot leaves out: what differs each time, and copies of files, which `monitoring` compares with them.
const LEFT_OUT: [&str; 3] = [
    "\nkind: Secret\n",
    "\nkind: PrometheusRule\n",
    "\n    grafana_dashboard: ",
];

/// The documents of a stream that belong into a snapshot.
fn for_snapshot(manifests: &str) -> String {
    let documents = manifests.split("---\n");
    let kept: Vec<&str> = documents
        .filter(|document| !LEFT_OUT.iter().any(|mark| document.contains(mark)))
        .collect();
    kept.join("---\n")
}

#[test]
fn manifests_are_as_they_were() {
    let Some(helm) = Program::find() else { return };
    for values in values_files() {
        let manifests = for_snapshot(&helm.template(&values, &[]));
        insta::assert_snapshot!(values.file_stem().unwrap().to_str().unwrap(), manifests);
    }
}

#[test]
fn manifests_are_valid_for_every_version_of_kubernetes() {
    let Some(helm) = Program::find() else { return };
    let Some(_) = KUBERNETES_VALIDATE.command() else {
        eprintln!("SKIPPED: there is no kubernetes-validate; `cargo xtask test` installs it");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let mut files = vec![workspace_root().join("k8s/gateway.yaml")];
    for values in values_files() {
        let file = folder.path().join(values.file_name().unwrap());
        fs::write(&file, helm.template(&values, &[])).unwrap();
        files.push(file);
    }
    for version in VERSIONS {
        let mut validate = KUBERNETES_VALIDATE.command().unwrap();
        validate.args(["--strict", "--quiet", "--kubernetes-version", version]);
        let output = validate.args(&files).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        // What is no part of Kubernetes: the Gateway API, Argo Rollouts and the Prometheus operator.
        let others = [
            "gateway.networking.k8s.io/v1",
            "argoproj.io/v1alpha1",
            "monitoring.coreos.com/v1",
        ];
        let others = others.map(|api| format!("with api version {api}"));
        let said: Vec<&str> = said
            .lines()
            .filter(|line| !others.iter().any(|other| line.contains(other)))
            .collect();
        assert!(output.status.success() && said.is_empty(), "{version}: {said:#?}");
    }
}

#[test]
fn common_labels_are_on_every_object_and_every_pod() {
    let Some(helm) = Program::find() else { return };
    for values in values_files() {
        let manifests = helm.template(&values, &["--set", "commonLabels.asked-for=here"]);
        for document in manifests
            .split("---\n")
            .filter(|document| document.contains("\nkind: "))
        {
            let pods = document.matches("\n  template:\n").count();
            let labels = document.matches(" asked-for: here\n").count();
            assert_eq!(labels, 1 + pods, "{}: {document}", values.display());
        }
    }
}

#[test]
fn whatever_runs_may_run_where_the_services_may() {
    let Some(helm) = Program::find() else { return };
    let tainted = "defaults.tolerations[0].key=dedicated,defaults.nodeSelector.pool=rookery";
    let peers = "defaults.affinity.podAntiAffinity.a=b,defaults.affinity.nodeAffinity.c=d";
    let manifests = helm.template(&ci("trial.yaml"), &["--set", tainted, "--set", peers]);
    let pods = manifests.matches("containers:\n").count();
    // Four services, two stores, the migration and the test.
    assert_eq!(pods, 8);
    for rule in ["key: dedicated\n", "pool: rookery\n", "nodeAffinity:\n"] {
        assert_eq!(manifests.matches(rule).count(), pods, "{rule}");
    }
    assert_eq!(
        manifests.matches("podAntiAffinity:\n").count(),
        4,
        "a rule about other pods is the services'"
    );
}

#[test]
fn keys_of_the_charts_own_fit_together() {
    let Some(helm) = Program::find() else { return };
    let secret = helm.template(&ci("trial.yaml"), &["--show-only", "templates/keys.yaml"]);
    let pem = |name: &str| {
        let line = secret.lines().find_map(|line| line.trim().strip_prefix(name)).unwrap();
        String::from_utf8(STANDARD.decode(line.trim_start_matches(": ")).unwrap()).unwrap()
    };
    let private = SigningKey::from_pkcs8_pem(&pem("private.pem")).unwrap();
    let public = private.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    assert_eq!(pem("public.pem"), public);
}

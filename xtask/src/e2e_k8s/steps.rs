//! What is done to the system.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::E2eArguments;
use super::cluster::{Cluster, RELEASE};
use crate::stack::SERVICES;

const TIMEOUT: &str = "5m";
const STORES: [&str; 2] = ["valkey", "postgresql"];

/// All that a release may consist of, beside what is not listed because the namespace has some of its own.
const KINDS: &str = "pods,deployments,statefulsets,replicasets,jobs,services,configmaps,secrets,serviceaccounts,\
    persistentvolumeclaims,httproutes,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers";

fn deployment(service: &str) -> String {
    format!("deployment/{RELEASE}-{service}")
}

/// Installs it, stores included, behind the gateway; one reads what another posts.
pub(super) fn install(cluster: &Cluster, arguments: &E2eArguments) -> Result<()> {
    println!("xtask: install");
    let begun = Instant::now();
    let (namespace, gateway) = arguments
        .gateway
        .split_once('/')
        .context("--gateway is NAMESPACE/NAME")?;
    let gateway = format!("httpRoute.parentRefs[0].name={gateway},httpRoute.parentRefs[0].namespace={namespace}");
    let values = [
        format!("image.repository={}", arguments.repository),
        format!("image.tag={}", arguments.tag),
        "postgresql.trial.enabled=true,valkey.trial.enabled=true,httpRoute.enabled=true".to_owned(),
        gateway,
        // What a bad version leaves behind is to be found, and mended, before the load ends.
        "config.audit.interval_ms=5000".to_owned(),
        // The whole load comes from one address.
        "config.limits.enabled=false".to_owned(),
    ];
    cluster.deploy(&values, TIMEOUT)?;
    println!("xtask: ready after {:.0?}; helm test", begun.elapsed());
    print!("{}", cluster.helm(&["test", RELEASE, "--logs"])?);
    Ok(())
}

/// Each service has three pods for a time, and one.
pub(super) fn scale(cluster: &Cluster) -> Result<()> {
    for replicas in ["3", "1", "2"] {
        println!("xtask: {replicas} pods of each service");
        for service in SERVICES {
            cluster.kubectl(&["scale", &deployment(service), "--replicas", replicas])?;
        }
        for service in SERVICES {
            cluster.wait_for(&deployment(service))?;
        }
    }
    Ok(())
}

/// Kills a pod of each service without warning.
pub(super) fn kill(cluster: &Cluster) -> Result<()> {
    for service in SERVICES {
        kill_one(cluster, service)?;
        cluster.wait_for(&deployment(service))?;
    }
    Ok(())
}

/// Kills the stores' pods, one after the other; their volumes stay.
pub(super) fn kill_stores(cluster: &Cluster) -> Result<()> {
    for store in STORES {
        kill_one(cluster, store)?;
        cluster.wait_for(&format!("statefulset/{RELEASE}-{store}"))?;
    }
    Ok(())
}

fn kill_one(cluster: &Cluster, component: &str) -> Result<()> {
    let pods = cluster.pods(component)?;
    let pod = pods.first().with_context(|| format!("{component} has no pod"))?;
    println!("xtask: kill {pod}");
    cluster
        .kubectl(&["delete", pod, "--grace-period=0", "--force"])
        .map(drop)
}

/// Settings that the schema lets through and the services refuse must not replace a pod that serves.
pub(super) fn refuse_wrong_settings(cluster: &Cluster) -> Result<()> {
    println!("xtask: settings that no service takes");
    let wrong = "config.timeline.pull_threshold=10,config.timeline.push_threshold=20".to_owned();
    if cluster.deploy(&[wrong], "30s").is_ok() {
        bail!("a push threshold above the pull threshold was rolled out");
    }
    for service in SERVICES {
        let ready = [
            "get",
            &deployment(service),
            "--output",
            "jsonpath={.status.readyReplicas}",
        ];
        let ready = cluster.kubectl(&ready)?;
        ensure!(ready == "2", "{service} has {ready} ready pods, not the 2 of before");
    }
    let logs = [
        "logs",
        "--selector",
        "app.kubernetes.io/component=follow-graph",
        "--tail=-1",
    ];
    ensure!(
        cluster.kubectl(&logs)?.contains("push_threshold"),
        "no log says what is wrong"
    );
    roll_back(cluster)
}

/// To another version, and back.
pub(super) fn upgrade_and_roll_back(cluster: &Cluster, tag: &str) -> Result<()> {
    println!("xtask: upgrade to {tag}");
    let values = [
        format!("image.tag={tag}"),
        "defaults.podAnnotations.e2e=upgraded".to_owned(),
    ];
    cluster.deploy(&values, TIMEOUT)?;
    roll_back(cluster)
}

fn roll_back(cluster: &Cluster) -> Result<()> {
    println!("xtask: roll back");
    cluster
        .helm(&["rollback", RELEASE, "--wait", "--timeout", TIMEOUT])
        .map(drop)
}

/// Uninstalls it: nothing with its name is left, and the namespace goes.
pub(super) fn uninstall(cluster: &Cluster) -> Result<()> {
    println!("xtask: uninstall");
    cluster.helm(&["uninstall", RELEASE, "--wait", "--timeout", TIMEOUT])?;
    let begun = Instant::now();
    let selector = format!("app.kubernetes.io/instance={RELEASE}");
    loop {
        let left = cluster.kubectl(&["get", KINDS, "--selector", &selector, "--output", "name"])?;
        if left.trim().is_empty() {
            break;
        }
        ensure!(begun.elapsed() < Duration::from_mins(2), "this is left:\n{left}");
        // Pods that end in their own time.
        sleep(Duration::from_secs(1));
    }
    cluster.kubectl(&["delete", "namespace", cluster.namespace()]).map(drop)
}

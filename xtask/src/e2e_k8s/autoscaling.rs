//! The autoscaler, which adds pods under load and takes them away again.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::cluster::{Cluster, RELEASE};

/// It looks every 15 s, at measurements that are as old.
const WITHIN: Duration = Duration::from_mins(5);

/// A target so low that the load is above it, then one that it is below.
pub(super) fn up_and_back(cluster: &Cluster) -> Result<()> {
    if cluster
        .kubectl(&["get", "apiservices", "v1beta1.metrics.k8s.io"])
        .is_err()
    {
        println!("xtask: !!! SKIPPED: the autoscaler; nothing measures pods here (metrics-server)");
        return Ok(());
    }
    println!("xtask: the autoscaler adds a pod to timeline-read, and takes it away");
    let scaled = |settings: &str| {
        let values = settings
            .split(',')
            .map(|value| format!("services.timeline-read.autoscaling.{value}"));
        cluster.deploy(&values.collect::<Vec<_>>(), "5m")
    };
    scaled("enabled=true,minReplicas=2,maxReplicas=3,targetCPUUtilization=5")?;
    wait_for(cluster, "3")?;
    scaled("targetCPUUtilization=100")?;
    // The chart has it wait five minutes, and more than that is not tried here.
    let at_once = "{\"spec\": {\"behavior\": {\"scaleDown\": {\"stabilizationWindowSeconds\": 0}}}}";
    let autoscaler = format!("hpa/{RELEASE}-timeline-read");
    cluster.kubectl(&["patch", &autoscaler, "--type=merge", "--patch", at_once])?;
    wait_for(cluster, "2")?;
    scaled("enabled=false")
}

fn wait_for(cluster: &Cluster, replicas: &str) -> Result<()> {
    let deployment = format!("deployment/{RELEASE}-timeline-read");
    let begun = Instant::now();
    loop {
        let query = ["get", &deployment, "--output", "jsonpath={.spec.replicas}"];
        let found = cluster.kubectl(&query)?;
        if found == replicas {
            println!("xtask: {replicas} pods after {:.0?}", begun.elapsed());
            return cluster.wait_for(&deployment);
        }
        ensure!(
            begun.elapsed() < WITHIN,
            "{found} pods, not {replicas}, after {WITHIN:?}"
        );
        sleep(Duration::from_secs(2));
    }
}

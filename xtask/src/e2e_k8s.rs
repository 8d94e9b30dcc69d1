//! `cargo xtask e2e-k8s`: the chart on a real cluster.
//!
//! A load with a ledger goes through the gateway for the whole time, while services are scaled, by hand and by the
//! autoscaler, pods are killed, those of the stores too, settings that no service takes are rolled out, good and bad versions
//! are tried by canary, and versions go up and back. In the end every timeline holds exactly what was acknowledged. Then the
//! release is uninstalled, and nothing of it may be left.

mod autoscaling;
mod canaries;
mod cluster;
mod load;
mod steps;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use rand::RngExt;

use cluster::Cluster;
use load::Load;

/// What is installed where.
#[derive(Args)]
pub(crate) struct E2eArguments {
    /// The cluster. No default one: much is done to it.
    #[arg(long, env = "KUBECONFIG")]
    kubeconfig: String,
    /// Where the cluster's gateway is.
    #[arg(long, default_value = "http://127.0.0.1:30080")]
    url: String,
    /// Where the images are, as the chart's `image.repository`.
    #[arg(long, default_value = "rookery")]
    repository: String,
    /// Their tag.
    #[arg(long, default_value = "dev")]
    tag: String,
    /// The tag that is upgraded to. Default: the same; pods are replaced all the same.
    #[arg(long)]
    new_tag: Option<String>,
    /// The tag of an image of fan-out that loses deliveries, as `cargo xtask e2e-images` makes one. Without it that is not tried.
    #[arg(long)]
    losing_tag: Option<String>,
    /// The tag of an image of timeline-read that is slow, of the same making. Without it that is not tried.
    #[arg(long)]
    slow_tag: Option<String>,
    /// The gateway that leads to the release: NAMESPACE/NAME. Its weights share out requests between versions.
    #[arg(long, default_value = "kube-system/traefik")]
    gateway: String,
    /// For how many seconds the load goes on: longer than all that is done meanwhile.
    #[arg(long, default_value_t = 1_200)]
    seconds: u64,
    /// A folder with `rookery-load`, instead of building it.
    #[arg(long, value_name = "FOLDER")]
    programs: Option<PathBuf>,
}

/// Does all of it. After a failure the release is left as it is, to be looked at.
pub(crate) fn run(arguments: &E2eArguments) -> Result<ExitCode> {
    let load = load::program(arguments.programs.as_deref())?;
    let namespace = format!("rookery-e2e-{:04x}", rand::rng().random::<u16>());
    let cluster = Cluster::open(&arguments.kubeconfig, namespace)?;
    let outcome = try_all(arguments, &cluster, &load);
    if outcome.is_err() {
        cluster.show();
        eprintln!("xtask: to remove it: kubectl delete namespace {}", cluster.namespace());
    }
    outcome?;
    println!("xtask: no acknowledged tweet was lost, and nothing is left");
    Ok(ExitCode::SUCCESS)
}

fn try_all(arguments: &E2eArguments, cluster: &Cluster, program: &Path) -> Result<()> {
    steps::install(cluster, arguments)?;
    let load = Load::start(program, &arguments.url, arguments.seconds)?;
    steps::scale(cluster)?;
    autoscaling::up_and_back(cluster)?;
    steps::kill(cluster)?;
    steps::refuse_wrong_settings(cluster)?;
    steps::upgrade_and_roll_back(cluster, arguments.new_tag.as_deref().unwrap_or(&arguments.tag))?;
    canaries::try_all(cluster, arguments)?;
    steps::kill_stores(cluster)?;
    load.finish()?;
    steps::uninstall(cluster)
}

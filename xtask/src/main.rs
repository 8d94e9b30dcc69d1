//! The project's own commands, run as `cargo xtask …`.
//!
//! What takes more than one plain cargo command is here, so that a newcomer, the build server and whoever hunts a bug run
//! the same thing.

mod account;
#[cfg(test)]
mod alerts;
mod bench;
mod cargo;
mod chart;
mod compose;
mod config_docs;
mod dashboards;
mod doc_check;
mod doc_table;
mod e2e_images;
mod e2e_k8s;
mod haproxy;
mod interrupts;
#[cfg(test)]
mod linters;
mod model;
mod mutants;
mod oracle;
mod postgres;
mod redis;
mod servers;
mod stack;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "The project's own commands",
    arg_required_else_help = true
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run all tests, documentation and README included, and print totals.
    Test(test::TestArguments),
    /// Start a PostgreSQL and a Redis for tests, and end them after a command or at Ctrl-C.
    Servers(servers::ServersArguments),
    /// Run the whole production shape on this machine: all services behind a load balancer.
    Stack(stack::StackArguments),
    /// Run the commands of README.md as a reader would paste them.
    DocCheck,
    /// Write docs/configuration.md anew, from config/rookery.toml.
    ConfigDocs,
    /// Draw the dashboards of monitoring/dashboards as pictures, from what a Prometheus has scraped.
    Dashboards(dashboards::DashboardsArguments),
    /// Write the table of values in the chart's README anew, from its values.yaml.
    ChartDocs,
    /// Write the load balancer's files for compose.yaml anew, in docker/haproxy.
    ComposeConfig,
    /// Install the chart on the cluster that KUBECONFIG names, and see that it loses no tweet whatever is done to it.
    E2eK8s(e2e_k8s::E2eArguments),
    /// Build the images that e2e-k8s wants, that of a version that loses deliveries among them.
    E2eImages(e2e_images::ImagesArguments),
    /// Run random histories against the system, for many steps, each answer compared with the oracle's.
    Oracle(oracle::OracleArguments),
    /// Plant known faults, one at a time, and see whether the comparison with the oracle, or the tests of a trap, find each.
    Mutants(mutants::MutantsArguments),
    /// Enumerate every interleaving of the crossing within bounds, in a model that steps by the system's own rules.
    Model(model::ModelArguments),
    /// Run a benchmark, optimised; without a name, list them.
    Bench(bench::BenchArguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Test(arguments) => test::run(&arguments),
        Command::Servers(arguments) => servers::run(&arguments),
        Command::Stack(arguments) => stack::run(&arguments),
        Command::DocCheck => doc_check::run(),
        Command::ConfigDocs => config_docs::run(),
        Command::Dashboards(arguments) => dashboards::run(&arguments),
        Command::ChartDocs => chart::docs::run(),
        Command::ComposeConfig => compose::run(),
        Command::E2eK8s(arguments) => e2e_k8s::run(&arguments),
        Command::E2eImages(arguments) => e2e_images::run(&arguments),
        Command::Oracle(arguments) => oracle::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Model(arguments) => model::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        ExitCode::FAILURE
    })
}

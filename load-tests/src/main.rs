//! `rookery-bench`: what the real parts and the real server do on this machine. `cargo xtask bench` runs it.
//!
//! Figures move with the machine and with what else it is doing. Where something is compared, both sides run in the same
//! process in alternating rounds, and it is their ratio that counts. Nothing here is asserted.

mod deliveries;
mod home_reads;
mod http_load;
mod import;
mod memory;
mod metrics;
mod pace;
mod population;
mod posts;
mod processor;
mod redis_tools;
mod rounds;
mod stack_deliveries;
mod sustained_load;
mod telemetry_cost;
mod timeline_bytes;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// What the binary of the project allocates with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Benchmarks; run them through `cargo xtask bench NAME`, which builds them optimised.
#[derive(Parser)]
#[command(name = "rookery-bench", arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    benchmark: Benchmark,
}

#[derive(Subcommand)]
enum Benchmark {
    /// Durable tweets a second, through the tweet store and over HTTP.
    Posts(posts::Options),
    /// Deliveries a second of the fan-out worker.
    Deliveries(deliveries::Options),
    /// Deliveries a second of a stack on PostgreSQL and Redis, beside `redis-benchmark`, and what they cost Redis.
    StackDeliveries(stack_deliveries::Options),
    /// Home timeline reads a second, beside a handler that does nothing but answer as many bytes.
    HomeReads(home_reads::Options),
    /// Tweets at a fixed rate for a minute: how late they are acknowledged, and how late they are in all timelines.
    SustainedLoad(sustained_load::Options),
    /// What traces cost: posts, deliveries and home reads without, with one in a hundred, and with all.
    TelemetryCost(telemetry_cost::Options),
    /// Memory that a full home timeline takes, for each entry.
    TimelineBytes(timeline_bytes::Options),
    /// Time and memory to import a follow graph.
    Import(import::Options),
}

fn main() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match Arguments::parse().benchmark {
            Benchmark::Posts(options) => posts::run(&options).await,
            Benchmark::Deliveries(options) => deliveries::run(&options).await,
            Benchmark::StackDeliveries(options) => stack_deliveries::run(&options).await,
            Benchmark::HomeReads(options) => home_reads::run(&options).await,
            Benchmark::SustainedLoad(options) => sustained_load::run(&options).await,
            Benchmark::TelemetryCost(options) => telemetry_cost::run(&options).await,
            Benchmark::TimelineBytes(options) => timeline_bytes::run(&options).await,
            Benchmark::Import(options) => import::run(&options).await,
        }
    })
}

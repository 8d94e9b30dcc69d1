//! `rookery-load`: puts a load on a running system, and compares every timeline with what was acknowledged.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use load_tests::ledger::{Ledger, LedgerOptions};
use test_support::HttpTransport;

/// A load with a ledger, for `rookery` or for a stack behind its load balancer.
#[derive(Parser)]
#[command(name = "rookery-load")]
struct Arguments {
    /// Where the public API is.
    #[arg(long, default_value = "http://127.0.0.1:8080")]
    url: String,
    /// For how many seconds.
    #[arg(long, default_value_t = 30)]
    seconds: u64,
    /// How many seconds every timeline may take to be complete after that.
    #[arg(long, default_value_t = 5)]
    settle_seconds: u64,
    #[command(flatten)]
    ledger: LedgerOptions,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let transport = Arc::new(HttpTransport::new(arguments.url));
    println!("accounts to make: {}", arguments.ledger.accounts);
    let ledger = Ledger::prepare(transport, arguments.ledger).await?;
    let report = ledger.run(Duration::from_secs(arguments.seconds)).await?;
    println!("{report}");
    let took = ledger.verify(Duration::from_secs(arguments.settle_seconds)).await?;
    println!(
        "all timelines hold the {} acknowledged tweets, each once ({took:.1?} after the last post)",
        ledger.acknowledged()
    );
    Ok(())
}

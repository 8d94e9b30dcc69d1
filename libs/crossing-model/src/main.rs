//! Enumerates the scenarios of the model and says what was found.

use std::io::stdout;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use crossing_model::{CrossingModel, Fault, SCENARIOS};
use stateright::report::WriteReporter;
use stateright::{Checker, Model};

/// Enumerates every interleaving of the crossing within bounds; fails with the shortest history that breaks a promise.
#[derive(Parser)]
#[command(name = "crossing-model", version)]
struct Arguments {
    /// Only the scenario of this name.
    scenario: Option<String>,
    /// Keep to the bounds of the tests: seconds.
    #[arg(long)]
    quick: bool,
    /// Remove a guard of the protocol, and see what it is for.
    #[arg(long, value_enum)]
    fault: Option<Fault>,
    /// Threads that enumerate.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let named = |name: &str| arguments.scenario.as_deref().is_none_or(|wanted| wanted == name);
    let scenarios: Vec<_> = SCENARIOS.iter().filter(|scenario| named(scenario.name)).collect();
    if scenarios.is_empty() {
        let names: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        eprintln!("no such scenario; there are {}", names.join(", "));
        return ExitCode::from(64);
    }
    let mut holds = true;
    for scenario in scenarios {
        let bounds = if arguments.quick { scenario.quick } else { scenario.deep };
        println!("{}: {}\n{bounds:?}", scenario.name, scenario.about);
        let began = Instant::now();
        let model = CrossingModel::new(*scenario, bounds, arguments.fault);
        let checker = model.checker().threads(arguments.threads).spawn_bfs();
        let checker = checker.report(&mut WriteReporter::new(&mut stdout()));
        let broken = checker.discovery("no tweet falls between");
        holds &= broken.is_none();
        println!(
            "{}: {} states, {} steps deep, {:.1} s\n",
            if broken.is_none() { "holds" } else { "BROKEN" },
            checker.unique_state_count(),
            checker.max_depth(),
            began.elapsed().as_secs_f64()
        );
    }
    if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

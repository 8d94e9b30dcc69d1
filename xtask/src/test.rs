//! `cargo xtask test`: all tests, and what became of them in one line.

mod failures;
mod totals;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::{fs, io};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::interrupts::Interrupts;
use crate::servers::TestServers;
use crate::tools::Tool;
use crate::{cargo, tools};
use failures::Failures;
use totals::Totals;

/// What the tests are given.
#[derive(Args)]
pub(crate) struct TestArguments {
    /// A follow graph, lines of `follower followee`, possibly gzipped; the tests at real size are skipped without it.
    #[arg(long, value_name = "FILE", env = "ROOKERY_TEST_GRAPH")]
    graph: Option<PathBuf>,
    /// Only tests whose names contain this.
    filter: Option<String>,
}

/// What tests run, beside servers.
const TOOLS: [&dyn Tool; 8] = [
    &tools::Curl,
    &tools::Helm,
    &tools::KUBERNETES_VALIDATE,
    &tools::CHECKOV,
    &tools::ZIZMOR,
    &tools::ShellCheck,
    &tools::HADOLINT,
    &tools::Promtool,
];

/// Runs them all, even after a failure.
pub(crate) fn run(arguments: &TestArguments) -> Result<ExitCode> {
    println!("xtask: unit, integration and documentation tests of every crate, the commands of README.md among them");
    for tool in TOOLS {
        tools::ensure(tool)?;
    }
    let graph = announce_graph(arguments)?;
    let interrupts = Interrupts::listen()?;
    build_programs(&interrupts)?;
    let servers = TestServers::start()?;
    let (status, totals, failures) = cargo_test(arguments, graph, &servers, &interrupts)?;
    drop(servers);
    println!();
    failures.tell();
    announce_graph(arguments)?;
    if !status.success() && totals.failed == 0 {
        println!("cargo failed before, or besides, running tests ({status})");
    }
    println!("{totals}");
    Ok(interrupts.exit_code().unwrap_or_else(|| cargo::exit_code(status)))
}

/// Says which graph is used, loudly if none is; answers its full path, since tests run in folders of their own.
fn announce_graph(arguments: &TestArguments) -> Result<Option<PathBuf>> {
    let Some(graph) = &arguments.graph else {
        println!("xtask: !!! SKIPPED: the tests at real size. ROOKERY_TEST_GRAPH is not set, and no --graph is given.");
        return Ok(None);
    };
    let path = fs::canonicalize(graph).with_context(|| format!("the follow graph {}", graph.display()))?;
    println!("xtask: the tests at real size use the follow graph {}", path.display());
    Ok(Some(path))
}

/// Builds all programs: a stack of real processes is made of more than the one package that a test belongs to.
fn build_programs(interrupts: &Interrupts) -> Result<()> {
    let mut command = cargo::command();
    command.args(["build", "--workspace", "--bins"]);
    cargo::announce(&command);
    let status = interrupts.spawn(&mut command)?.wait().context("cargo was lost")?;
    interrupts.forget();
    if !status.success() {
        bail!("the programs could not be built");
    }
    Ok(())
}

fn cargo_test(
    arguments: &TestArguments,
    graph: Option<PathBuf>,
    servers: &TestServers,
    interrupts: &Interrupts,
) -> Result<(ExitStatus, Totals, Failures)> {
    let mut command = cargo::command();
    command.args(["test", "--workspace", "--no-fail-fast"]);
    command.args(&arguments.filter);
    command.envs(graph.map(|path| ("ROOKERY_TEST_GRAPH", path)));
    command.envs(servers.variables());
    command.env("ROOKERY_TEST_PROGRAMS", cargo::target_dir().join("debug"));
    cargo::announce(&command);
    let mut child = interrupts.spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
    let output = child.stdout.take().context("the child's output was asked for")?;
    let (totals, failures) = pass_on(BufReader::new(output), io::stdout().lock())?;
    let status = child.wait().context("cargo was lost")?;
    interrupts.forget();
    Ok((status, totals, failures))
}

/// Copies what the tests print, counts, and keeps what failed ones said.
fn pass_on(mut output: impl BufRead, mut copy: impl Write) -> Result<(Totals, Failures)> {
    let (mut totals, mut failures) = (Totals::default(), Failures::default());
    let mut line = Vec::new();
    while output.read_until(b'\n', &mut line).context("reading from cargo")? > 0 {
        copy.write_all(&line).context("writing to the terminal")?;
        let text = String::from_utf8_lossy(&line);
        totals.add(&text);
        failures.add(&text);
        line.clear();
    }
    Ok((totals, failures))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_is_passed_on_as_it_was_and_counted() {
        let output =
            b"running 2 tests\n\xff\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out\n";
        let mut copy = Vec::new();
        let (totals, _) = pass_on(&output[..], &mut copy).unwrap();
        assert_eq!(copy, output);
        assert_eq!(totals.to_string(), "2 passed, 0 failed, 1 ignored");
    }
}

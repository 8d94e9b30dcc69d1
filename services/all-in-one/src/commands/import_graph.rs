//! `rookery import-graph`.

use std::path::Path;
use std::time::Instant;

use runtime::Settings;
use storage::ImportCounts;

use super::CommandError;
use super::system::{ImportTarget, System};
use crate::graph_file::{self, BadLines, GraphFileError, ParsedGraph};
use crate::progress::Progress;

pub(super) async fn run(settings: &Settings, file: &Path, skip_bad: bool) -> Result<(), CommandError> {
    let started = Instant::now();
    let graph = read(file)?;
    report(&graph.bad);
    if graph.bad.count > 0 && !skip_bad {
        return Err(CommandError::BadLines {
            path: file.to_owned(),
            count: graph.bad.count,
        });
    }
    // The name under which an unfinished import is remembered.
    let source = file
        .canonicalize()
        .unwrap_or_else(|_| file.to_owned())
        .display()
        .to_string();
    let edges = graph.edges;
    let mut target = System::open(settings).await?.begin_import(source).await?;
    let made = import(&mut target, graph).await?;
    target.end().await?;
    let ImportCounts { accounts, edges: new } = made;
    let (stood, seconds) = (edges - new, started.elapsed().as_secs_f64());
    println!("{accounts} accounts made, {new} edges made, {stood} edges stood already, in {seconds:.1} s");
    Ok(())
}

fn read(file: &Path) -> Result<ParsedGraph, GraphFileError> {
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let mut progress = Progress::bytes("checking", bytes);
    graph_file::read(file, |done| progress.set(done))
}

fn report(bad: &BadLines) {
    for (number, what) in &bad.first {
        eprintln!("line {number}: {what}");
    }
    if bad.untold() > 0 {
        eprintln!("and {} more bad lines", bad.untold());
    }
}

async fn import(target: &mut ImportTarget, graph: ParsedGraph) -> Result<ImportCounts, CommandError> {
    let mut progress = Progress::edges("importing", graph.edges);
    let (mut made, mut done) = (ImportCounts::default(), 0);
    for batch in graph.batches {
        let edges_of_batch = batch.len() as u64;
        let counts = target.add(batch).await.map_err(|error| CommandError::ImportStopped {
            done,
            edges: graph.edges,
            source: Box::new(error),
        })?;
        made.accounts += counts.accounts;
        made.edges += counts.edges;
        done += edges_of_batch;
        progress.set(done);
    }
    Ok(made)
}

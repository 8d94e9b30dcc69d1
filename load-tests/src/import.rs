//! Time and memory to import a follow graph, in a process of its own for each round so that memory is that of one import.

use std::path::PathBuf;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::memory;
use crate::population;
use crate::rounds::Series;

/// Which graph.
#[derive(Args)]
pub(crate) struct Options {
    /// A file of lines `follower followee`, plain or gzipped.
    file: PathBuf,
    /// Rounds.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Import into this folder, in this process, and print what it took.
    #[arg(long, hide = true)]
    into: Option<PathBuf>,
}

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    if let Some(dir) = &options.into {
        return import(&options.file, dir).await;
    }
    let mut took = Series::new("import", "ms");
    let mut peak = Series::new("peak of resident memory", "kB");
    for _ in 0..options.rounds {
        let dir = population::data_folder()?;
        let output = Command::new(std::env::current_exe()?)
            .arg("import")
            .arg(&options.file)
            .arg("--into")
            .arg(dir.path())
            .output()?;
        if !output.status.success() {
            bail!("the import failed: {}", String::from_utf8_lossy(&output.stderr));
        }
        let text = String::from_utf8(output.stdout)?;
        let mut figures = text.lines().last().context("no figures")?.split_whitespace();
        let mut figure = || -> Result<f64> { Ok(figures.next().context("a figure is missing")?.parse()?) };
        took.add(figure()?);
        peak.add(figure()?);
    }
    println!("{took}\n{peak}");
    Ok(())
}

async fn import(file: &std::path::Path, dir: &std::path::Path) -> Result<()> {
    let begun = Instant::now();
    let environment = [("ROOKERY__DATA_DIR".to_owned(), dir.display().to_string())];
    let settings =
        runtime::Settings::load(None, environment.into_iter()).map_err(|errors| anyhow::anyhow!("{errors}"))?;
    let command = all_in_one::cli::Command::ImportGraph {
        file: file.to_owned(),
        skip_bad: false,
        attach: false,
    };
    all_in_one::commands::run(&settings, command).await?;
    println!(
        "{} {}",
        begun.elapsed().as_millis(),
        memory::peak_resident_bytes()? / 1_024
    );
    Ok(())
}

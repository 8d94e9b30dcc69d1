//! The import itself.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Instant;

use runtime::{Progress, counted, exit};
use storage::ImportCounts;

use crate::graph_file::{self, BadLines, GraphFileError, ParsedGraph};
use crate::report;

/// Where the edges go.
pub trait ImportTarget {
    /// Why a batch was not taken.
    type Error: Error + 'static;

    /// Commits a batch. Edges that stand are left as they are.
    fn add(&mut self, batch: Vec<(u64, u64)>) -> impl Future<Output = Result<ImportCounts, Self::Error>>;

    /// Ends the import.
    fn end(self) -> impl Future<Output = Result<(), Self::Error>>;
}

/// Why a file was not imported, or not whole.
#[derive(Debug, thiserror::Error)]
pub enum ImportFailure<E: Error + 'static> {
    /// The file cannot be read.
    #[error(transparent)]
    File(#[from] GraphFileError),
    /// The file has bad lines.
    #[error("nothing was imported: {} has {}. Correct the file, or leave out what is bad with --skip-bad", path.display(), counted(*count, "bad line"))]
    BadLines {
        /// The file.
        path: PathBuf,
        /// How many.
        count: u64,
    },
    /// It did not begin, or did not end.
    #[error(transparent)]
    Target(E),
    /// It ended early.
    #[error("{source}. Edges imported: {done} of {edges}; run the import again to finish it")]
    Stopped {
        /// Edges that are in the store.
        done: u64,
        /// Edges of the file.
        edges: u64,
        /// Why.
        #[source]
        source: E,
    },
}

impl<E: Error + 'static> ImportFailure<E> {
    /// What the process exits with.
    pub fn exit_code(&self, of_target: impl FnOnce(&E) -> u8) -> u8 {
        match self {
            Self::File(GraphFileError::Open { .. } | GraphFileError::Folder { .. }) => exit::NO_INPUT,
            Self::File(GraphFileError::Read { .. }) => exit::IO_ERROR,
            Self::File(GraphFileError::BadGzip { .. }) | Self::BadLines { .. } => exit::DATA_ERROR,
            Self::Target(error) | Self::Stopped { source: error, .. } => of_target(error),
        }
    }
}

/// Checks `file`, begins with its name, by which an unfinished import is remembered, and takes over its edges. Prints what
/// came of it; `following_limit` is how many one may follow by hand.
pub async fn import_graph<T: ImportTarget>(
    file: &Path,
    skip_bad: bool,
    following_limit: u64,
    begin: impl AsyncFnOnce(String) -> Result<T, T::Error>,
) -> Result<(), ImportFailure<T::Error>> {
    let started = Instant::now();
    let graph = read(file)?;
    tell(&graph.bad);
    if graph.bad.count > 0 && !skip_bad {
        return Err(ImportFailure::BadLines {
            path: file.to_owned(),
            count: graph.bad.count,
        });
    }
    let name = file.canonicalize().unwrap_or_else(|_| file.to_owned());
    let above_limit = graph.followers_above(following_limit);
    let mut target = begin(name.display().to_string()).await.map_err(ImportFailure::Target)?;
    let made = take_over(&mut target, &graph).await?;
    target.end().await.map_err(ImportFailure::Target)?;
    print!("{}", report::of(&made, started.elapsed()));
    if above_limit > 0 {
        let accounts = counted(above_limit, "account");
        println!("{accounts} of the file: more follows than the {following_limit} that one may make by hand");
    }
    Ok(())
}

fn read(file: &Path) -> Result<ParsedGraph, GraphFileError> {
    let bytes = file.metadata().map_or(0, |metadata| metadata.len());
    let mut progress = Progress::bytes("checking", bytes);
    graph_file::read(file, |done| progress.set(done))
}

fn tell(bad: &BadLines) {
    for (number, what) in &bad.first {
        eprintln!("line {number}: {what}");
    }
    if bad.untold() > 0 {
        eprintln!("and {}", counted(bad.untold(), "more bad line"));
    }
}

async fn take_over<T: ImportTarget>(
    target: &mut T,
    graph: &ParsedGraph,
) -> Result<ImportCounts, ImportFailure<T::Error>> {
    let edges = graph.edges.len() as u64;
    let mut progress = Progress::things("importing edges", edges);
    let (mut made, mut done) = (ImportCounts::default(), 0);
    for batch in graph.batches() {
        let counts = target
            .add(batch.to_vec())
            .await
            .map_err(|source| ImportFailure::Stopped { done, edges, source })?;
        made += counts;
        done += batch.len() as u64;
        progress.set(done);
    }
    Ok(made)
}

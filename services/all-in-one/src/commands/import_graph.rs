//! `rookery import-graph`.

use std::path::Path;

use graph_import::import_graph;
use runtime::Settings;

use super::CommandError;
use super::system::System;

pub(super) async fn run(settings: &Settings, file: &Path, skip_bad: bool) -> Result<(), CommandError> {
    let begin = async |source| System::open(settings).await?.begin_import(source).await;
    Ok(import_graph(file, skip_bad, begin).await.map_err(Box::new)?)
}

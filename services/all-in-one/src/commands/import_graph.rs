//! `rookery import-graph`.

use std::path::Path;

use graph_import::import_graph;
use runtime::Settings;

use super::CommandError;
use super::system::System;

pub(super) async fn run(settings: &Settings, file: &Path, skip_bad: bool, attach: bool) -> Result<(), CommandError> {
    let begin = async |source| System::open(settings).await?.begin_import(source, attach).await;
    let limit = settings.follow_graph.following_limit;
    Ok(import_graph(file, skip_bad, limit, begin).await.map_err(Box::new)?)
}

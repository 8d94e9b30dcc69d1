//! `timeline-read explain`.

use std::sync::Arc;
use std::time::Duration;

use super::account;
use backends::{BackendError, Backends, delivery_rules};
use bootstrap::Failure;
use clap::Args;
use graph_replica::StoreGraph;
use model::{AccountName, TweetId};
use runtime::{Settings, exit};
use storage::Deadline;
use timeline_read::{Ports, ReadError, TimelineRead, TimelineReadSettings};

/// How long it may take to look everything up.
const WITHIN: Duration = Duration::from_secs(30);

/// The pair.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// Whose timeline: a handle or an id. Digits are an id, unless @ stands before them.
    #[arg(long)]
    user: AccountName,
    /// The tweet's id.
    #[arg(long)]
    tweet: TweetId,
    /// Print JSON, as `GET /admin/explain` answers it.
    #[arg(long)]
    json: bool,
}

/// Prints the explanation. Everything comes from the stores: no service need run.
pub(super) async fn run(settings: &Settings, asked: Explain) -> Result<(), Failure> {
    let backends = Backends::connect(settings, "timeline-read").await?;
    let deadline = Deadline::after(WITHIN);
    let graph = backends.graph();
    let user = account(&*graph, asked.user, deadline).await?;
    let tweets = backends.tweets();
    let rules = delivery_rules(settings).map_err(BackendError::from)?;
    let ports = Ports {
        timelines: backends.timelines(),
        tweets: tweets.clone(),
        cache: backends.tweet_cache(),
        graph: Arc::new(StoreGraph::new(graph.clone(), rules)),
        log: backends.event_log(tweets).await?,
        deliveries: backends.deliveries(),
        edges: graph,
        versions: None,
    };
    let service = TimelineRead::new(ports, TimelineReadSettings::default(), backends.clock());
    let explanation = service.explain(user, asked.tweet, deadline).await.map_err(failure)?;
    if asked.json {
        let text = serde_json::to_string(&explanation).expect("names and sentences are JSON");
        println!("{text}");
    } else {
        print!("{}", explanation.for_people());
    }
    Ok(())
}

fn failure(error: ReadError) -> Failure {
    match error {
        ReadError::NoSuchUser => Failure::new(error, exit::NO_USER),
        ReadError::Store(error) => BackendError::from(error).into(),
    }
}

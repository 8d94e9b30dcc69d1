//! A stack that `cargo xtask stack up` started: many processes behind a load balancer, each of which can be killed, stopped
//! and started again.

mod description;
mod part;
mod ready;
mod replicas;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use model::{TweetId, UserId};

use crate::explain::Explanation;
use crate::history::{Rules, Stop};
use crate::system::{Operator, System};
use crate::transport::{ClientError, HttpTransport, Transport};
use description::Description;
pub use part::Part;
use replicas::Replicas;

/// The services, of which there are replicas.
pub const SERVICES: [&str; 4] = ["follow-graph", "tweet-ingest", "fan-out", "timeline-read"];
/// The part that spreads requests over them.
pub const LOAD_BALANCER: &str = "load-balancer";
/// The part that scrapes them, with `--observe`.
pub const PROMETHEUS: &str = "prometheus";

/// What somebody did shows to somebody else within so long: a deletion, within a second of its 204.
const STALENESS: Duration = Duration::from_secs(1);

/// A running stack.
pub struct Stack {
    description: Description,
    parts: Vec<Part>,
    public: Arc<HttpTransport>,
    operator: Operator,
    staleness: Duration,
    /// What ends it, if it is ours to end.
    down: Option<Command>,
}

impl Stack {
    /// The stack that a `stack.json` describes. It goes on when this is dropped.
    pub fn open(description: &Path) -> io::Result<Self> {
        let description = Description::read(description)?;
        let parts: Vec<Part> = description.processes.iter().map(Part::new).collect();
        let replicas = |name: &str| -> Arc<dyn Transport> {
            let of_service = parts.iter().filter(|part| part.name() == name);
            Arc::new(Replicas::new(of_service.map(Part::internal).collect()))
        };
        let operator = Operator {
            follow_graph: replicas("follow-graph"),
            fan_out: replicas("fan-out"),
            timeline_read: replicas("timeline-read"),
            token: Some(description.admin_token.clone()),
        };
        Ok(Self {
            public: Arc::new(HttpTransport::new(description.url.clone())),
            operator,
            parts,
            description,
            staleness: STALENESS,
            down: None,
        })
    }

    /// A stack of its own in a folder, on ports of its own, with `options` of `cargo xtask stack up`. `programs` holds the
    /// services and `xtask` itself, built. The stack ends when this is dropped.
    pub async fn up(programs: &Path, folder: &Path, options: &[&str], settings: &[(&str, &str)]) -> io::Result<Self> {
        let xtask = |arguments: &[&str]| {
            let mut command = Command::new(programs.join("xtask"));
            command.args(["stack", "--dir"]).arg(folder).args(arguments);
            command.stdin(Stdio::null());
            command
        };
        let mut up = xtask(&["up", "--port", "0", "--programs"]);
        up.arg(programs).args(options).envs(settings.iter().copied());
        let mut down = xtask(&["down"]);
        let output = tokio::task::spawn_blocking(move || up.output()).await??;
        if !output.status.success() {
            // What it started before it failed is in nobody's interest.
            let _ = down.output();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(io::Error::other(format!("the stack does not come up: {said}")));
        }
        let mut stack = Self::open(&folder.join("stack.json"))?;
        stack.down = Some(down);
        Ok(stack)
    }

    /// With another time that others' doings take to show.
    #[must_use]
    pub fn with_staleness(mut self, staleness: Duration) -> Self {
        self.staleness = staleness;
        self
    }

    /// Where its public API is.
    pub fn public_url(&self) -> &str {
        &self.description.url
    }

    /// Its database.
    pub fn postgres_url(&self) -> &str {
        &self.description.postgres_url
    }

    /// Its Redis, as the services know it.
    pub fn redis_url(&self) -> &str {
        &self.description.redis_url
    }

    /// Its operators' paths, of whichever replica answers.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// All its processes.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// All replicas of a part.
    pub fn replicas<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Part> {
        self.parts.iter().filter(move |part| part.name() == name)
    }

    /// One replica of a part. There must be one.
    pub fn part(&self, name: &str, replica: u32) -> &Part {
        let mut parts = self.parts.iter();
        parts
            .find(|part| part.name() == name && part.replica() == replica)
            .unwrap_or_else(|| panic!("there is no {name} {replica} in this stack"))
    }

    /// Waits until every part is ready; all must have been started.
    pub async fn wait_ready(&self) -> io::Result<()> {
        let (load_balancer, others): (Vec<&Part>, Vec<&Part>) =
            self.parts.iter().partition(|part| part.name() == LOAD_BALANCER);
        try_join_all(others.into_iter().map(Part::wait_ready)).await?;
        // It may still take those for dead that have just come back.
        try_join_all(load_balancer.into_iter().map(Part::wait_ready)).await?;
        Ok(())
    }

    /// Ends all replicas of all services at the same time and starts them again.
    pub async fn restart_services(&self, stop: Stop) -> io::Result<()> {
        let services = || self.parts.iter().filter(|part| SERVICES.contains(&part.name()));
        try_join_all(services().map(|part| part.end(stop))).await?;
        services().try_for_each(Part::start)?;
        self.wait_ready().await
    }

    /// Where the stack keeps its logs.
    pub fn logs(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.log().to_owned()).collect()
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        let Some(down) = &mut self.down else { return };
        // What was started again is a child of ours; it ends once somebody waits for it.
        thread::scope(|scope| {
            let down = scope.spawn(|| down.output());
            while !down.is_finished() {
                self.parts.iter().for_each(Part::reap);
                thread::sleep(Duration::from_millis(10));
            }
            match down.join() {
                Ok(Ok(output)) if output.status.success() => {}
                other => eprintln!("the stack could not be ended: {other:?}"),
            }
        });
    }
}

#[async_trait]
impl System for Stack {
    fn public(&self) -> Arc<dyn Transport> {
        self.public.clone()
    }

    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        self.operator.settle(tweets).await
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), ClientError> {
        self.operator.set_rules(rules).await
    }

    async fn explain(&self, reader: UserId, tweet: TweetId) -> Result<Explanation, ClientError> {
        self.operator.explain(reader, tweet).await
    }

    async fn restart(&self, stop: Stop) -> Result<(), ClientError> {
        let restarted = self.restart_services(stop).await;
        restarted.map_err(|error| ClientError::NoAnswer {
            request: format!("restart of all services ({stop:?})"),
            reason: error.to_string(),
        })
    }

    fn staleness(&self) -> Duration {
        self.staleness
    }
}

//! Runs many histories against one program and reports the first that fails, shrunk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, StreamExt};
use model::{Strategy, TweetId};
use test_support::{
    ClientError, Distortion, FaultyTransport, History, Plan, ProcessOptions, RookeryProcess, Rules, Shrunk, Stop,
    System, Transport, Violation, generate, run, shrink,
};

/// A failure that depends on timing may hide; a shorter history passes only when it has passed as often.
const ATTEMPTS: u32 = 3;
const SHRINKING: Duration = Duration::from_mins(3);

/// How the program is configured.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) strategy: Strategy,
    pub(crate) window: usize,
    pub(crate) pull_threshold: u64,
    pub(crate) push_threshold: u64,
}

impl Setup {
    async fn start(&self) -> Running {
        static STARTED: AtomicU32 = AtomicU32::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let dir = tempfile::Builder::new()
            .prefix(&format!("rookery-{}-{number}-", self.name))
            .tempdir()
            .expect("a folder for the test");
        let options = ProcessOptions {
            binary: env!("CARGO_BIN_EXE_rookery").into(),
            dir: dir.path().to_owned(),
            settings: self.settings(),
        };
        let process = RookeryProcess::start(options).await;
        let process = process.unwrap_or_else(|error| panic!("{error}\n{}", log_of(dir.path())));
        Running { process, dir }
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ROOKERY__TIMELINE__STRATEGY", self.strategy.as_str().to_owned()),
            ("ROOKERY__TIMELINE__WINDOW", self.window.to_string()),
            ("ROOKERY__TIMELINE__PULL_THRESHOLD", self.pull_threshold.to_string()),
            ("ROOKERY__TIMELINE__PUSH_THRESHOLD", self.push_threshold.to_string()),
            ("ROOKERY__TIMELINE__CROSSING_SETTLE_MS", "100".to_owned()),
            ("ROOKERY__TIMELINE__CROSSING_MARGIN_MS", "100".to_owned()),
        ]
    }
}

/// A program and its folder.
struct Running {
    process: RookeryProcess,
    dir: tempfile::TempDir,
}

impl Running {
    async fn run(&self, history: &History) -> Result<(), Violation> {
        run(&self.process, history).await
    }
}

/// Histories of one kind.
pub(crate) struct Suite {
    setup: Setup,
    plan: Plan,
    seeds: Vec<u64>,
}

impl Suite {
    pub(crate) fn new(setup: Setup, plan: Plan, cases: u64) -> Self {
        let first = from_environment("ROOKERY_ORACLE_SEED").unwrap_or(1);
        let times = from_environment("ROOKERY_ORACLE_CASES").unwrap_or(1);
        Self {
            setup,
            plan,
            seeds: (first..first + cases * times).collect(),
        }
    }

    /// Runs all histories on one program, so many at a time: each has accounts of its own.
    pub(crate) async fn run_side_by_side(&self, at_a_time: usize) {
        let running = self.setup.start().await;
        let failures = stream::iter(&self.seeds)
            .map(|&seed| generate(seed, self.plan))
            .map(|history| self.run_one(&running, history))
            .buffer_unordered(at_a_time)
            .filter_map(std::future::ready);
        let failure = std::pin::pin!(failures).next().await;
        if let Some((history, violation)) = failure {
            let log = log_of(running.dir.path());
            drop(running);
            self.report(history, violation, &log).await;
        }
    }

    async fn run_one(&self, running: &Running, history: History) -> Option<(History, Violation)> {
        let violation = running.run(&history).await.err()?;
        Some((history, violation))
    }

    /// Shrinks the history, each try on a program of its own, and fails with what is left of it.
    async fn report(&self, history: History, violation: Violation, log: &str) {
        let (seed, name) = (history.seed, self.setup.name);
        eprintln!(
            "{name}: seed {seed} fails {violation}\nshrinking its {} steps ...",
            history.steps.len()
        );
        let again = async |history: &History| self.setup.start().await.run(history).await;
        let Shrunk { history, violation } = shrink(history, violation, ATTEMPTS, SHRINKING, again).await;
        panic!(
            "{:?} fails {violation}\n{history}\nto run it again: ROOKERY_ORACLE_SEED={seed}\nthe log's end:\n{log}",
            self.setup
        );
    }

    /// One of the histories must fail when answers are distorted.
    pub(crate) async fn must_find(&self, distortion: Distortion) {
        let running = self.setup.start().await;
        let distorted = Distorted {
            public: Arc::new(FaultyTransport::new(running.process.public(), distortion)),
            process: &running.process,
        };
        for &seed in &self.seeds {
            if run(&distorted, &generate(seed, self.plan)).await.is_err() {
                return;
            }
        }
        panic!("{distortion:?} goes unnoticed in {} histories", self.seeds.len());
    }
}

/// The same program, with distorted answers.
struct Distorted<'a> {
    public: Arc<FaultyTransport>,
    process: &'a RookeryProcess,
}

#[async_trait]
impl System for Distorted<'_> {
    fn public(&self) -> Arc<dyn Transport> {
        self.public.clone()
    }

    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        self.process.settle(tweets).await
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), ClientError> {
        self.process.set_rules(rules).await
    }

    async fn restart(&self, stop: Stop) -> Result<(), ClientError> {
        self.process.restart(stop).await
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long a test runs is no configuration of the system"
)]
fn from_environment(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    )
}

fn log_of(dir: &Path) -> String {
    let log = std::fs::read_to_string(dir.join("rookery.log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}

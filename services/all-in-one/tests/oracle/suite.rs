//! Runs many histories against one system and reports the first that fails, shrunk.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use model::Strategy;
use tempfile::TempDir;
use test_support::{
    Distortion, FaultyTransport, History, Persistent, Plan, ProcessOptions, RookeryProcess, Shrunk, System, Violation,
    generate, run, shrink,
};

use crate::audited::Auditing;
use crate::behind::Behind;
use crate::in_process::InProcess;

/// A failure that depends on timing may hide; a shorter history passes only when it has passed as often.
const ATTEMPTS: u32 = 3;
const SHRINKING_SECONDS: u64 = 180;

/// How the system is configured, and where it runs.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) name: &'static str,
    pub(crate) place: Place,
    pub(crate) strategy: Strategy,
    pub(crate) window: usize,
    pub(crate) pull_threshold: u64,
    pub(crate) push_threshold: u64,
    /// How long a step of a crossing takes to settle, and its margin.
    pub(crate) crossing_ms: u64,
    /// Whether everybody's stored timeline is compared with the tweets after each request.
    pub(crate) audited: bool,
}

/// Where the system runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    /// In the test's own process.
    Inside,
    /// The real program, which can be killed.
    Outside,
}

impl Setup {
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        vec![
            ("ROOKERY__TIMELINE__STRATEGY", self.strategy.as_str().to_owned()),
            ("ROOKERY__TIMELINE__PULL_THRESHOLD", self.pull_threshold.to_string()),
            ("ROOKERY__TIMELINE__PUSH_THRESHOLD", self.push_threshold.to_string()),
            ("ROOKERY__TIMELINE__CROSSING_SETTLE_MS", self.crossing_ms.to_string()),
            ("ROOKERY__TIMELINE__CROSSING_MARGIN_MS", self.crossing_ms.to_string()),
        ]
    }

    async fn start(&self) -> Running {
        let dir = tempfile::Builder::new().prefix("rookery-oracle-").tempdir();
        let dir = dir.expect("a folder for the test");
        let system = match self.place {
            Place::Inside => Located::Inside(Box::new(InProcess::start(self, dir.path()).await)),
            Place::Outside => Located::Outside(self.start_outside(dir.path()).await),
        };
        Running {
            system,
            dir,
            audited: self.audited,
            compared: AtomicU64::new(0),
        }
    }

    async fn start_outside(&self, dir: &Path) -> RookeryProcess {
        let mut settings = self.variables();
        settings.push(("ROOKERY__TIMELINE__WINDOW", self.window.to_string()));
        let process = RookeryProcess::start(ProcessOptions {
            binary: env!("CARGO_BIN_EXE_rookery").into(),
            dir: dir.to_owned(),
            settings,
        });
        process.await.unwrap_or_else(|error| panic!("{error}\n{}", log_of(dir)))
    }
}

enum Located {
    Inside(Box<InProcess>),
    Outside(RookeryProcess),
}

/// A system and its folder.
struct Running {
    system: Located,
    dir: TempDir,
    audited: bool,
    /// How often a timeline was audited.
    compared: AtomicU64,
}

impl Running {
    fn system(&self) -> &dyn System {
        match &self.system {
            Located::Inside(system) => &**system,
            Located::Outside(system) => system,
        }
    }

    /// Runs a history.
    async fn run(&self, history: &History) -> Result<(), Violation> {
        match &self.system {
            Located::Inside(system) if self.audited => {
                // While the machine has much else to do, an audit may be refused.
                let internal = Arc::new(Persistent::new(system.internal()));
                let auditing = Arc::new(Auditing::new(system.public(), internal));
                let audited = Behind {
                    public: auditing.clone(),
                    system: &**system,
                };
                let outcome = run(&audited, history).await;
                self.compared.fetch_add(auditing.compared(), Ordering::Relaxed);
                outcome
            }
            Located::Inside(_) | Located::Outside(_) => run(self.system(), history).await,
        }
    }

    /// Ends it; answers the end of its log, if it has one of its own.
    async fn end(self) -> String {
        if let Located::Inside(system) = &self.system {
            system.end().await;
        }
        drop(self.system);
        log_of(self.dir.path())
    }
}

/// Histories of one kind.
pub(crate) struct Suite {
    setup: Setup,
    histories: Vec<History>,
}

impl Suite {
    pub(crate) fn new(setup: Setup, plan: Plan, cases: u64) -> Self {
        let first = from_environment("ROOKERY_ORACLE_SEED").unwrap_or(1);
        let times = from_environment("ROOKERY_ORACLE_CASES").unwrap_or(1);
        let seeds = first..first + cases * times;
        Self::of(setup, seeds.map(|seed| generate(seed, plan)).collect())
    }

    /// These histories.
    pub(crate) fn of(setup: Setup, histories: Vec<History>) -> Self {
        Self { setup, histories }
    }

    /// Runs all histories on one system, so many at a time: each has accounts of its own. Answers how many entries are
    /// stored in the end, where the test can look.
    pub(crate) async fn run_side_by_side(&self, at_a_time: usize) -> Option<u64> {
        let running = self.setup.start().await;
        if let Some((history, violation)) = self.first_failure(&running, at_a_time).await {
            let log = running.end().await;
            self.report(history, violation, &log).await;
            return None;
        }
        let steps: usize = self.histories.iter().map(|history| history.steps.len()).sum();
        println!("{}: {} histories, {steps} steps", self.setup.name, self.histories.len());
        let stored = match &running.system {
            Located::Inside(system) => Some(system.stored_entries().await),
            Located::Outside(_) => None,
        };
        let compared = running.compared.load(Ordering::Relaxed);
        assert_eq!(compared > 0, self.setup.audited, "{compared} timelines were audited");
        running.end().await;
        stored
    }

    async fn first_failure(&self, running: &Running, at_a_time: usize) -> Option<(History, Violation)> {
        let failures = stream::iter(&self.histories)
            .map(async |history| {
                let violation = running.run(history).await.err()?;
                Some((history.clone(), violation))
            })
            .buffer_unordered(at_a_time)
            .filter_map(std::future::ready);
        std::pin::pin!(failures).next().await
    }

    /// Shrinks the history, each try on a system of its own, and fails with what is left of it.
    async fn report(&self, history: History, violation: Violation, log: &str) {
        let (seed, steps) = (history.seed, history.steps.len());
        eprintln!(
            "{}: seed {seed} fails {violation}\nshrinking its {steps} steps ...",
            self.setup.name
        );
        let again = async |history: &History| {
            let running = self.setup.start().await;
            let result = running.run(history).await;
            running.end().await;
            result
        };
        let seconds = from_environment("ROOKERY_ORACLE_SHRINK_SECONDS").unwrap_or(SHRINKING_SECONDS);
        let within = Duration::from_secs(seconds);
        let Shrunk { history, violation } = shrink(history, violation, ATTEMPTS, within, again).await;
        panic!(
            "{:?} fails {violation}\n{history}\nto run it again: ROOKERY_ORACLE_SEED={seed}\n{log}",
            self.setup
        );
    }

    /// One of the histories must fail when answers are distorted.
    pub(crate) async fn must_find(&self, distortion: Distortion) {
        let running = self.setup.start().await;
        let distorted = Behind {
            public: Arc::new(FaultyTransport::new(running.system().public(), distortion)),
            system: running.system(),
        };
        let mut found = false;
        for history in &self.histories {
            found = found || run(&distorted, history).await.is_err();
        }
        running.end().await;
        assert!(
            found,
            "{distortion:?} goes unnoticed in {} histories",
            self.histories.len()
        );
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

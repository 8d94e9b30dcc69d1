//! One process of a stack.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::description::Process;
use super::ready;
use crate::history::Stop;
use crate::transport::{HttpTransport, Transport};

/// How long a start or an end may take on a machine that has much else to do.
const TRIES: u32 = 1_200;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);
/// The processes of a PostgreSQL that was killed may live a little longer than it, and no other starts before they end.
const POSTGRES_TRIES: u32 = 200;

/// A process that can be signalled, ended and started again.
pub struct Part {
    process: Process,
    internal: Arc<HttpTransport>,
    running: Mutex<Running>,
}

/// Which process it is at the moment.
struct Running {
    pid: Option<u32>,
    /// When we have started it, and have to take note of its end.
    child: Option<Child>,
}

impl Part {
    pub(super) fn new(process: &Process) -> Self {
        Self {
            internal: Arc::new(HttpTransport::new(process.internal_url.clone())),
            running: Mutex::new(Running {
                pid: process.pid,
                child: None,
            }),
            process: process.clone(),
        }
    }

    /// What it is: a service, `postgres`, `redis` or `load-balancer`.
    pub fn name(&self) -> &str {
        &self.process.name
    }

    /// Which of those, from 0.
    pub fn replica(&self) -> u32 {
        self.process.replica
    }

    /// Its internal port. Only services and the load balancer speak HTTP there.
    pub fn internal(&self) -> Arc<dyn Transport> {
        self.internal.clone()
    }

    /// The public port of this very replica, past the load balancer; only services have one.
    pub fn public(&self) -> Option<Arc<dyn Transport>> {
        let address = self.process.restart.env.get("ROOKERY__HTTP__ADDR")?;
        Some(Arc::new(HttpTransport::new(format!("http://{address}"))))
    }

    /// Where it is asked; a URL of its own kind.
    pub fn internal_url(&self) -> &str {
        &self.process.internal_url
    }

    /// The value after an option of its command line, such as `--dir` of Redis.
    pub fn option(&self, name: &str) -> Option<&str> {
        let mut pairs = self.process.restart.args.windows(2);
        pairs.find(|pair| pair[0] == name).map(|pair| pair[1].as_str())
    }

    /// What it prints.
    pub fn log(&self) -> &Path {
        &self.process.log
    }

    /// Its process, while there is one.
    pub fn pid(&self) -> Option<u32> {
        self.running.lock().pid
    }

    /// A command of the same program, with the same settings: `follow-graph migrate`.
    pub fn command(&self) -> Command {
        let restart = &self.process.restart;
        let mut command = Command::new(&restart.args[0]);
        command.args(&restart.args[1..]).envs(&restart.env).stdin(Stdio::null());
        command
    }

    /// `SIGSTOP`: it stays where it is, with its connections open, and answers nobody.
    pub fn pause(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// `SIGCONT`: it goes on where it was.
    pub fn resume(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    /// Ends it and waits until it is gone. One that ends gently, and that this has started, must say that all is well.
    pub async fn end(&self, stop: Stop) -> io::Result<()> {
        if self.pid().is_none() {
            return Ok(());
        }
        self.signal(match (stop, self.name()) {
            (Stop::Abrupt, _) => "-KILL",
            // It would wait for its connections to end by themselves.
            (Stop::Graceful, "postgres") => "-INT",
            (Stop::Graceful, _) => "-TERM",
        })?;
        for _ in 0..TRIES {
            if self.has_ended(stop)? {
                return Ok(());
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(self.error("it does not end"))
    }

    /// Starts it as it was started before, without waiting until it is ready. It must have ended.
    pub fn start(&self) -> io::Result<()> {
        let mut running = self.running.lock();
        if running.pid.is_some() {
            return Err(self.error("it runs already"));
        }
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let child = self.command().stdout(log.try_clone()?).stderr(log).spawn()?;
        running.pid = Some(child.id());
        running.child = Some(child);
        Ok(())
    }

    /// Waits until it can serve.
    pub async fn wait_ready(&self) -> io::Result<()> {
        let mut starts = 0;
        for _ in 0..TRIES {
            let Err(reason) = ready::check(&self.process, self.internal.as_ref()).await else {
                return Ok(());
            };
            if self.has_ended(Stop::Abrupt)? {
                starts += 1;
                if self.name() != "postgres" || starts > POSTGRES_TRIES {
                    return Err(self.error(&format!("it has ended ({reason})")));
                }
                self.start()?;
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(self.error("it does not become ready"))
    }

    /// Takes note of its end, if it has ended.
    pub(super) fn reap(&self) {
        if let Some(child) = &mut self.running.lock().child {
            // Whatever it ended with, nobody is interested any more.
            let _ = child.try_wait();
        }
    }

    /// Whether it is gone; then it can be started again.
    fn has_ended(&self, stop: Stop) -> io::Result<bool> {
        let mut running = self.running.lock();
        if let Some(child) = &mut running.child {
            let Some(status) = child.try_wait()? else {
                return Ok(false);
            };
            *running = Running { pid: None, child: None };
            if stop == Stop::Graceful && !status.success() {
                return Err(self.error(&format!("it ended with {status}")));
            }
            return Ok(true);
        }
        let gone = running.pid.is_none_or(is_gone);
        if gone {
            running.pid = None;
        }
        Ok(gone)
    }

    /// The standard library can send none.
    fn signal(&self, signal: &str) -> io::Result<()> {
        let pid = self.pid().ok_or_else(|| self.error("it does not run"))?;
        let sent = Command::new("kill").args([signal, &pid.to_string()]).status()?;
        if sent.success() {
            return Ok(());
        }
        Err(self.error(&format!("{signal} could not be sent")))
    }

    fn error(&self, what: &str) -> io::Error {
        io::Error::other(format!("{self}: {what}; see {}", self.log().display()))
    }
}

/// Whether a process that is not our child has ended, be it that nobody has taken note. A killed one loses its memory, and
/// with it its command line, before it gives back its ports: those are free when its last thread is gone.
fn is_gone(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return true;
    };
    let is_zombie = stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z'));
    is_zombie && fs::read_dir(format!("/proc/{pid}/task")).map_or(0, Iterator::count) <= 1
}

/// `fan-out 1`.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.process.name, self.process.replica)
    }
}

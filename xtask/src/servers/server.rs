//! A server that lives no longer than we do.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::tools::{SetPriv, Tool};

/// On a machine that has much else to do.
const START_PATIENCE: Duration = Duration::from_mins(1);
const END_PATIENCE: Duration = Duration::from_secs(10);
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// How a server is ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum End {
    /// `SIGTERM`.
    Gently,
    /// `SIGQUIT`: PostgreSQL drops everything then.
    AtOnce,
}

impl End {
    const fn signal(self) -> Signal {
        match self {
            Self::Gently => Signal::TERM,
            Self::AtOnce => Signal::QUIT,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Gently => "TERM",
            Self::AtOnce => "QUIT",
        }
    }
}

/// A running server. Dropping it ends it and waits until it is gone.
pub(super) struct Server {
    name: &'static str,
    child: Child,
    log: PathBuf,
    end: End,
}

impl Server {
    /// Starts it, away from the terminal's Ctrl-C, which is ours to handle.
    pub(super) fn start(name: &'static str, arguments: &[String], log: PathBuf, end: End) -> Result<Self> {
        let output = File::create(&log).with_context(|| log.display().to_string())?;
        let arguments = ending_with_us(arguments, end);
        let child = Command::new(&arguments[0])
            .args(&arguments[1..])
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(output.try_clone().context("the log")?)
            .stderr(output)
            .process_group(0)
            .spawn()
            .with_context(|| format!("{name} could not be started: {}", arguments.join(" ")))?;
        Ok(Self { name, child, log, end })
    }

    /// What it is called in messages.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Waits until it answers.
    pub(super) fn wait_until(&mut self, ready: impl Fn() -> bool) -> Result<()> {
        let begin = Instant::now();
        while !ready() {
            let ended = self.child.try_wait().context("a child was lost")?;
            if ended.is_some() || begin.elapsed() > START_PATIENCE {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                bail!("{} does not start; its log says:\n{log}", self.name);
            }
            thread::sleep(BETWEEN_TRIES);
        }
        Ok(())
    }

    fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = kill_process(Pid::from_child(&self.child), self.end.signal());
        let begin = Instant::now();
        while !self.has_ended() && begin.elapsed() < END_PATIENCE {
            thread::sleep(BETWEEN_TRIES);
        }
        if !self.has_ended() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command line that ends with us even where we can't end it, after `kill -9`. The last change of user comes before it,
/// since each makes the system forget the wish.
fn ending_with_us(arguments: &[String], end: End) -> Vec<String> {
    let Some(setpriv) = SetPriv.find().filter(|_| cfg!(target_os = "linux")) else {
        return arguments.to_vec();
    };
    let after_user = arguments
        .iter()
        .position(|argument| argument == "--")
        .map_or(0, |at| at + 1);
    let (user, program) = arguments.split_at(after_user);
    let wish = [
        setpriv.display().to_string(),
        format!("--pdeathsig={}", end.name()),
        "--".to_owned(),
    ];
    user.iter()
        .cloned()
        .chain(wish)
        .chain(program.iter().cloned())
        .collect()
}

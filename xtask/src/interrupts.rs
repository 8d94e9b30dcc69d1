//! Ctrl-C and `SIGTERM`: what runs is told, and we go on to clean up.

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process_group};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// From when on they count instead of ending this process.
#[derive(Clone)]
pub(crate) struct Interrupts(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    arrival: Condvar,
}

#[derive(Default)]
struct State {
    arrived: u32,
    /// The process group of the child that runs.
    group: Option<Pid>,
}

impl Interrupts {
    /// Begins to listen.
    pub(crate) fn listen() -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("signals can't be handled")?;
        let interrupts = Self(Arc::default());
        let listener = interrupts.clone();
        thread::spawn(move || signals.forever().for_each(|_| listener.arrived()));
        Ok(interrupts)
    }

    /// Starts a child that gets every interruption from here, with all that it starts itself.
    pub(crate) fn spawn(&self, command: &mut Command) -> Result<Child> {
        let mut state = self.lock();
        if state.arrived > 0 {
            bail!("interrupted");
        }
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("{command:?}"))?;
        state.group = Some(Pid::from_child(&child));
        Ok(child)
    }

    /// The child has been waited for.
    pub(crate) fn forget(&self) {
        self.lock().group = None;
    }

    /// Returns once there has been an interruption.
    pub(crate) fn wait(&self) {
        let not_yet = |state: &mut State| state.arrived == 0;
        drop(self.0.arrival.wait_while(self.lock(), not_yet));
    }

    /// What we exit with if there has been one.
    pub(crate) fn exit_code(&self) -> Option<ExitCode> {
        (self.lock().arrived > 0).then(|| ExitCode::from(130))
    }

    /// Whoever presses Ctrl-C twice wants no farewells.
    fn arrived(&self) {
        let mut state = self.lock();
        state.arrived += 1;
        let signal = if state.arrived == 1 { Signal::TERM } else { Signal::KILL };
        if let Some(group) = state.group {
            // It may have ended just now.
            let _ = kill_process_group(group, signal);
        }
        self.0.arrival.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

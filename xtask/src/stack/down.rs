//! `cargo xtask stack down`.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use rustix::process::Signal;

use super::describe::{Description, LOAD_BALANCER, OTLP_RECEIVER, POSTGRES, PROMETHEUS, REDIS, SERVICES};
use super::folder::Folder;
use super::processes::{self, Found};

/// A service answers what it has begun, then ends.
const PATIENCE: Duration = Duration::from_secs(40);

/// Ends what runs, those first that others are not in need of, and removes the folder.
pub(super) fn run(folder: &Folder, keep: bool) -> Result<ExitCode> {
    let _lock = folder.lock()?;
    let running = processes::find(folder)?;
    end(&running, &[LOAD_BALANCER], Signal::TERM);
    end(&running, &SERVICES, Signal::TERM);
    // After the services, which send their last spans when they end.
    end(&running, &[PROMETHEUS, OTLP_RECEIVER], Signal::TERM);
    end(&running, &[REDIS], Signal::TERM);
    // PostgreSQL ends its connections then, instead of waiting for them.
    end(&running, &[POSTGRES], Signal::INT);
    let left = processes::find(folder)?;
    if let Some(left) = left.first() {
        bail!("{} still runs: {:?}", left.process, left.pid);
    }
    if keep {
        forget_processes(folder)?;
        println!(
            "xtask: ended the stack (processes: {}); {} is kept",
            running.len(),
            folder.text()
        );
    } else {
        folder.remove()?;
        println!(
            "xtask: ended the stack (processes: {}) and removed {}",
            running.len(),
            folder.text()
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn end(running: &[Found], names: &[&str], signal: Signal) {
    let is_one = |found: &&Found| {
        let (name, _) = found.process.split_once(' ').unwrap_or((&found.process, ""));
        names.contains(&name)
    };
    let processes: Vec<&Found> = running.iter().filter(is_one).collect();
    processes::end(&processes, signal, PATIENCE);
}

fn forget_processes(folder: &Folder) -> Result<()> {
    let Some(mut stack) = Description::read(folder)? else {
        return Ok(());
    };
    for process in &mut stack.processes {
        process.pid = None;
    }
    stack.write(folder)
}

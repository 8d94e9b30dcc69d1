//! `cargo xtask stack status`.

use std::process::ExitCode;

use anyhow::Result;

use super::describe::{Description, Process};
use super::folder::Folder;
use super::{observe, processes, ready};

/// A line for each process; a failure unless all are ready.
pub(super) fn run(folder: &Folder) -> Result<ExitCode> {
    let Some(stack) = Description::read(folder)? else {
        println!(
            "there is no stack in {}: `cargo xtask stack up` starts one",
            folder.text()
        );
        return Ok(ExitCode::FAILURE);
    };
    let running = processes::find(folder)?;
    let mut all_ready = true;
    println!("{:<16}{:>9}  {:<28}state", "process", "pid", "address");
    for process in &stack.processes {
        let name = process.to_string();
        let pid = running.iter().find(|found| found.process == name);
        let pid = pid.map(|found| found.pid.as_raw_pid().to_string());
        let state = state(process, pid.is_some());
        all_ready &= state == "ready";
        println!(
            "{name:<16}{:>9}  {:<28}{state}",
            pid.unwrap_or_else(|| "-".to_owned()),
            process.internal_host()
        );
    }
    println!("the API: {}", stack.url);
    print!("{}", observe::where_to_look(folder, &stack));
    Ok(if all_ready {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn state(process: &Process, runs: bool) -> String {
    if !runs {
        return "does not run".to_owned();
    }
    match ready::check(process) {
        Ok(()) => "ready".to_owned(),
        Err(reason) => format!("not ready: {reason:#}"),
    }
}

//! Calls of cargo.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};

/// The cargo that runs us, in the root of the workspace.
pub(crate) fn command() -> Command {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(cargo);
    command.current_dir(workspace_root());
    as_from_a_shell(&mut command);
    command
}

/// Hides from a cargo below us what our own has told us of the package xtask: build scripts (ring's) would run again, and all
/// that depends on them be compiled again, each time that one alternates between `cargo` and `cargo xtask`.
pub(crate) fn as_from_a_shell(command: &mut Command) {
    for (name, _) in env::vars_os() {
        let of_package = name
            .to_str()
            .is_some_and(|name| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_"));
        if of_package {
            command.env_remove(name);
        }
    }
}

/// The folder with the workspace's manifest.
pub(crate) fn workspace_root() -> PathBuf {
    let xtask = Path::new(env!("CARGO_MANIFEST_DIR"));
    xtask.parent().unwrap_or(xtask).to_path_buf()
}

/// Where cargo builds into, and where else we put what can be made again.
pub(crate) fn target_dir() -> PathBuf {
    let configured = env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| OsString::from("target"));
    workspace_root().join(configured)
}

/// Shows what is about to run, as one could type it.
pub(crate) fn announce(command: &Command) {
    let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
    let program = Path::new(command.get_program()).file_name().unwrap_or_default();
    println!("xtask: {} {}", program.display(), arguments.join(" "));
}

/// What a child's end means for ours.
pub(crate) fn exit_code(status: ExitStatus) -> ExitCode {
    if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

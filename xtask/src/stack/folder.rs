//! The folder of a stack, and what is where in it.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cargo;

/// `target/stack`, by its full path.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// A folder by its path from the root of the workspace.
    pub(super) fn new(path: &Path) -> Self {
        Self(cargo::workspace_root().join(path))
    }

    /// Makes it. Others may go through, since PostgreSQL may run as another user, and see nothing.
    pub(super) fn create(&self) -> Result<()> {
        create_private_dir(&self.logs())?;
        fs::set_permissions(&self.0, Permissions::from_mode(0o711)).context("the stack's folder")
    }

    /// Removes it with everything in it, and what it points to.
    pub(super) fn remove(&self) -> Result<()> {
        if let Ok(elsewhere) = fs::read_link(self.postgres_link()) {
            remove_dir(&elsewhere)?;
        }
        remove_dir(&self.0)
    }

    /// Only one at a time may change a stack. Held as long as the answer lives.
    pub(super) fn lock(&self) -> Result<File> {
        let parent = self.0.parent().unwrap_or(&self.0);
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        let lock = File::open(parent).with_context(|| parent.display().to_string())?;
        if lock.try_lock().is_err() {
            eprintln!("xtask: waiting for somebody else who starts or ends a stack");
            lock.lock().context("the stack's lock")?;
        }
        Ok(lock)
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn text(&self) -> String {
        self.0.display().to_string()
    }

    pub(super) fn description(&self) -> PathBuf {
        self.0.join("stack.json")
    }

    pub(super) fn load_balancer(&self) -> PathBuf {
        self.0.join("load-balancer")
    }

    pub(super) fn prometheus(&self) -> PathBuf {
        self.0.join("prometheus")
    }

    /// Where the receiver of traces puts spans.
    pub(super) fn spans(&self) -> PathBuf {
        self.0.join("spans.jsonl")
    }

    pub(super) fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }

    /// Where PostgreSQL's files are: in here, unless there is a link to where they are.
    pub(super) fn postgres(&self) -> PathBuf {
        let link = self.postgres_link();
        fs::read_link(&link).unwrap_or(link)
    }

    /// From now on PostgreSQL's files are elsewhere.
    pub(super) fn link_postgres(&self, elsewhere: &Path) -> Result<()> {
        symlink(elsewhere, self.postgres_link()).context("a link to PostgreSQL's files")
    }

    fn postgres_link(&self) -> PathBuf {
        self.0.join("postgres")
    }

    pub(super) fn redis(&self, replica: u32) -> PathBuf {
        self.0.join(format!("redis-{replica}"))
    }

    /// For what a service may want to keep between starts.
    pub(super) fn service(&self, name: &str, replica: u32) -> PathBuf {
        self.0.join("data").join(format!("{name}-{replica}"))
    }

    pub(super) fn log(&self, name: &str, replica: u32) -> PathBuf {
        self.logs().join(format!("{name}-{replica}.log"))
    }

    fn logs(&self) -> PathBuf {
        self.0.join("logs")
    }
}

/// Writes a file that is there wholly or not at all, and that nobody else may read.
pub(super) fn write_private(path: &Path, content: &[u8]) -> Result<()> {
    let write = || {
        let new = path.with_extension("new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)?;
        file.write_all(content)?;
        fs::rename(&new, path)
    };
    write().with_context(|| path.display().to_string())
}

fn remove_dir(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error).with_context(|| folder.display().to_string()),
        _ => Ok(()),
    }
}

/// A new folder that nobody else may look into.
pub(super) fn create_private_dir(folder: &Path) -> Result<()> {
    let create = || -> io::Result<()> {
        fs::create_dir_all(folder)?;
        fs::set_permissions(folder, Permissions::from_mode(0o700))
    };
    create().with_context(|| folder.display().to_string())
}

//! Addresses of sockets in folders with long names.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// What every system takes; the longest that any takes has few bytes more.
const MAX_ADDRESS_BYTES: usize = 100;

/// A path by which a socket can be bound or connected to, while this value lives.
pub(super) struct SocketAddress {
    path: PathBuf,
    /// Keeps the descriptor open that the path leads through.
    _folder: Option<File>,
}

impl SocketAddress {
    /// The path itself or, where it is too long, a short one through a descriptor of its folder (Linux alone has these;
    /// elsewhere binding then says what is wrong).
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        if path.as_os_str().len() <= MAX_ADDRESS_BYTES || !cfg!(target_os = "linux") {
            return Ok(Self {
                path: path.to_owned(),
                _folder: None,
            });
        }
        let folder = File::open(folder)?;
        Ok(Self {
            path: Path::new("/proc/self/fd")
                .join(folder.as_raw_fd().to_string())
                .join(name),
            _folder: Some(folder),
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

//! The data folder: what lies where in it, and that one process at a time uses it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use runtime::exit;
use secrecy::{ExposeSecret, SecretString};

const STORES: [&str; 3] = ["tweets.db", "graph.db", "deliveries.db"];

/// Why the data folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// It cannot be made, read or written.
    #[error("cannot use the data folder {} (ROOKERY__DATA_DIR): {what} ({source})", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What was tried.
        what: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another process uses it.
    #[error("another process{} uses the data in {}", pid.map_or(String::new(), |pid| format!(" ({pid})")), path.display())]
    InUse {
        /// The folder.
        path: PathBuf,
        /// Which process, if it has said so.
        pid: Option<u32>,
    },
}

impl DataDirError {
    /// What a process exits with.
    pub(crate) const fn exit_code(&self) -> u8 {
        match self {
            Self::Unusable { .. } => exit::CANNOT_CREATE,
            Self::InUse { .. } => exit::TEMPORARY,
        }
    }
}

/// The data folder, locked: the lock goes with this value, or with the process.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    lock: File,
}

impl DataDir {
    /// Makes the folder if there is none, and locks it.
    pub(crate) fn lock(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |what| {
            move |source| DataDirError::Unusable {
                path: path.to_owned(),
                what,
                source,
            }
        };
        // Nobody else's business: password hashes and the key that signs tokens lie in it.
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .map_err(unusable("it cannot be made"))?;
        let path = path.canonicalize().map_err(unusable("it cannot be opened"))?;
        let lock = private_file(
            OpenOptions::new().read(true).write(true).create(true),
            &path.join("lock"),
        )
        .map_err(unusable("it cannot be written to"))?;
        let dir = Self { path, lock };
        match dir.lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(dir.in_use()),
            Err(TryLockError::Error(source)) => return Err(unusable("it cannot be locked")(source)),
        }
        dir.sign_lock().map_err(unusable("it cannot be written to"))?;
        dir.reserve_stores().map_err(unusable("it cannot be written to"))?;
        Ok(dir)
    }

    /// Whether there is data at `path`.
    pub(crate) fn exists(path: &Path) -> bool {
        STORES.iter().any(|store| path.join(store).exists())
    }

    /// The folder itself.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The socket over which commands reach the process that has the lock.
    pub(crate) fn socket(&self) -> PathBuf {
        socket_in(&self.path)
    }

    /// Whether there is a key: there is none before the first run.
    pub(crate) fn has_key(&self) -> bool {
        self.key_path().exists()
    }

    /// The key that signs tokens: made by `generate` in the first run, the same from then on.
    pub(crate) fn private_key(&self, generate: impl FnOnce() -> SecretString) -> Result<SecretString, DataDirError> {
        let path = self.key_path();
        let unusable = |source| DataDirError::Unusable {
            path: self.path.clone(),
            what: "its signing-key.pem cannot be read or made",
            source,
        };
        match fs::read_to_string(&path) {
            Ok(pem) => Ok(pem.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let pem = generate();
                self.write_durably(&path, pem.expose_secret().as_bytes())
                    .map_err(unusable)?;
                Ok(pem)
            }
            Err(error) => Err(unusable(error)),
        }
    }

    fn key_path(&self) -> PathBuf {
        self.path.join("signing-key.pem")
    }

    /// All of it or, after a crash, nothing.
    fn write_durably(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let unfinished = path.with_extension("new");
        let mut file = private_file(OpenOptions::new().write(true).create(true).truncate(true), &unfinished)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)?;
        File::open(&self.path)?.sync_all()
    }

    /// An empty file is an empty store. Made here, and its WAL after it, a store is readable to its owner alone, also
    /// where the folder was there before and is open to others.
    fn reserve_stores(&self) -> io::Result<()> {
        for store in STORES {
            private_file(OpenOptions::new().append(true).create(true), &self.path.join(store))?;
        }
        Ok(())
    }

    fn sign_lock(&self) -> io::Result<()> {
        self.lock.set_len(0)?;
        (&self.lock).write_all(std::process::id().to_string().as_bytes())
    }

    fn in_use(&self) -> DataDirError {
        let mut pid = String::new();
        let read = (&self.lock).take(20).read_to_string(&mut pid);
        DataDirError::InUse {
            path: self.path.clone(),
            pid: read.ok().and_then(|_| pid.trim().parse().ok()),
        }
    }
}

/// Where the socket of a data folder lies.
pub(crate) fn socket_in(data_dir: &Path) -> PathBuf {
    data_dir.join("admin.sock")
}

fn private_file(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn one_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("deeper/data");
        let first = DataDir::lock(&path).unwrap();
        let refused = DataDir::lock(&path).unwrap_err();
        let own_pid = std::process::id();
        assert!(matches!(refused, DataDirError::InUse { pid: Some(pid), .. } if pid == own_pid));
        assert!(
            refused
                .to_string()
                .contains(&format!("another process ({own_pid}) uses")),
            "{refused}"
        );
        drop(first);
        DataDir::lock(&path).unwrap();
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&path.join("graph.db")), 0o600);
    }

    #[test]
    fn a_file_in_place_of_the_folder_is_a_sentence() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = DataDir::lock(file.path()).unwrap_err().to_string();
        assert!(error.starts_with("cannot use the data folder"), "{error}");
    }

    #[test]
    fn the_key_is_made_once_and_private() {
        let folder = tempfile::tempdir().unwrap();
        let dir = DataDir::lock(folder.path()).unwrap();
        let made = dir.private_key(|| "made once".to_owned().into()).unwrap();
        let again = dir.private_key(|| unreachable!("it is there")).unwrap();
        assert_eq!(made.expose_secret(), again.expose_secret());
        assert_eq!(mode(&folder.path().join("signing-key.pem")), 0o600);
    }
}

//! PostgreSQL, from the system's packages.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::packages::{self, Package};
use super::{Tool, on_path};

/// The store. What is found is `postgres` itself, with `initdb` and `pg_isready` beside it.
pub(crate) struct Postgres;

/// Where distributions put the programs of all versions, one folder for each, outside `PATH`; the second part is the
/// way from a version's folder to its programs.
const VERSIONS: [(&str, &str); 4] = [
    ("/usr/lib/postgresql", "bin"),
    ("/usr/libexec", ""),
    ("/opt/homebrew/opt", "bin"),
    ("/usr/local/opt", "bin"),
];

impl Tool for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn purpose(&self) -> &'static str {
        "to store tweets and the follow graph"
    }

    fn find(&self) -> Option<PathBuf> {
        let on_path = on_path(self.name()).and_then(|program| fs::canonicalize(program).ok());
        let newest = || {
            VERSIONS
                .iter()
                .find_map(|(all, programs)| newest(Path::new(all), programs))
        };
        on_path.filter(|program| is_complete(program)).or_else(newest)
    }

    fn install(&self) -> Result<()> {
        packages::install(&Package {
            apt: Some("postgresql"),
            dnf: Some("postgresql-server"),
            apk: Some("postgresql"),
            brew: Some("postgresql@17"),
        })
    }
}

/// The newest version's server.
fn newest(all: &Path, programs: &str) -> Option<PathBuf> {
    let versions = fs::read_dir(all).ok()?;
    versions
        .filter_map(|version| {
            let path = version.ok()?.path();
            let program = path.join(programs).join("postgres");
            Some((version_of(&path)?, program))
        })
        .filter(|(_, program)| is_complete(program))
        .max()
        .map(|(_, program)| program)
}

/// 15 for `/usr/lib/postgresql/15`, 17 for `/usr/libexec/postgresql17` and `/opt/homebrew/opt/postgresql@17`.
fn version_of(folder: &Path) -> Option<u32> {
    let name = folder.file_name()?.to_str()?;
    name.trim_start_matches("postgresql")
        .trim_start_matches('@')
        .parse()
        .ok()
}

/// Clients alone are installed too, and are not enough.
fn is_complete(postgres: &Path) -> bool {
    ["initdb", "pg_isready"]
        .iter()
        .all(|name| postgres.with_file_name(name).is_file())
        && postgres.is_file()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_from_the_names_of_folders() {
        let version = |path: &str| version_of(Path::new(path));
        assert_eq!(version("/usr/lib/postgresql/15"), Some(15));
        assert_eq!(version("/usr/libexec/postgresql17"), Some(17));
        assert_eq!(version("/opt/homebrew/opt/postgresql@17"), Some(17));
        assert_eq!(version("/usr/libexec/sudo"), None);
    }

    #[test]
    fn the_newest_complete_version_is_taken() {
        let all = tempfile::tempdir().unwrap();
        for (version, programs) in [
            ("9", &["postgres", "initdb", "pg_isready"][..]),
            ("15", &["postgres", "initdb", "pg_isready"]),
            ("16", &["pg_isready"]),
        ] {
            let folder = all.path().join(version).join("bin");
            fs::create_dir_all(&folder).unwrap();
            for program in programs {
                fs::write(folder.join(program), "").unwrap();
            }
        }
        assert_eq!(newest(all.path(), "bin"), Some(all.path().join("15/bin/postgres")));
    }
}

//! A PostgreSQL server of our own: how it is made, how it is started, when it answers.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::account::Account;
use crate::tools;

/// The superuser.
const USER: &str = "rookery";

/// A test of the whole workspace has many pools open at the same time.
const MAX_CONNECTIONS: u16 = 400;

/// One server. It listens on loopback alone and has no socket in the file system.
pub(crate) struct Postgres {
    server: PathBuf,
    account: Account,
    folder: PathBuf,
    port: u16,
    password: String,
}

impl Postgres {
    /// A server that runs as `account` and has its files in `folder`. Nothing is done yet, but programs that are missing are
    /// installed.
    pub(crate) fn new(account: Account, folder: PathBuf, port: u16, password: String) -> Result<Self> {
        Ok(Self {
            server: tools::ensure(&tools::Postgres)?,
            account,
            folder,
            port,
            password,
        })
    }

    /// Makes its files. Everything that decides what survives a crash is left as PostgreSQL has it.
    pub(crate) fn create(&self) -> Result<()> {
        self.account.create_dir(&self.folder)?;
        if !self.account.reaches(&self.folder) {
            bail!(
                "PostgreSQL runs as `postgres`, since we are root, and that user does not get into {}",
                self.folder.display()
            );
        }
        let password_file = self.folder.join("password");
        fs::write(&password_file, &self.password).context("the password's file")?;
        let arguments = [
            self.program("initdb"),
            format!("--pgdata={}", self.data().display()),
            format!("--username={USER}"),
            format!("--pwfile={}", password_file.display()),
            "--auth=scram-sha-256".to_owned(),
            "--encoding=UTF8".to_owned(),
            "--locale=C".to_owned(),
        ];
        self.run(arguments.into(), "")?;
        fs::remove_file(&password_file).context("the password's file")
    }

    /// Makes a database. The server must not run.
    pub(crate) fn create_database(&self, name: &str) -> Result<()> {
        let data = self.data().display().to_string();
        let arguments = [&self.program("postgres"), "--single", "-D", &data, "postgres"].map(str::to_owned);
        self.run(arguments.into(), &format!("CREATE DATABASE {name}\n"))
    }

    /// The command line that runs it in the foreground.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let settings = [
            format!("port={}", self.port),
            "listen_addresses=127.0.0.1".to_owned(),
            "unix_socket_directories=".to_owned(),
            format!("max_connections={MAX_CONNECTIONS}"),
        ];
        let mut arguments = vec![
            self.server.display().to_string(),
            "-D".to_owned(),
            self.data().display().to_string(),
        ];
        arguments.extend(settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]));
        self.account.wrap(arguments)
    }

    /// Whether it takes connections.
    pub(crate) fn is_ready(&self) -> bool {
        let status = Command::new(self.program("pg_isready"))
            .args(["--quiet", "--host=127.0.0.1", &format!("--port={}", self.port)])
            .status();
        status.is_ok_and(|status| status.success())
    }

    /// Where a database of this server is, for the superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{}@127.0.0.1:{}/{database}", self.password, self.port)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn program(&self, name: &str) -> String {
        self.server.with_file_name(name).display().to_string()
    }

    /// Runs one of its programs; what it prints matters only when it fails.
    fn run(&self, arguments: Vec<String>, input: &str) -> Result<()> {
        let arguments = self.account.wrap(arguments);
        let mut child = Command::new(&arguments[0])
            .args(&arguments[1..])
            .current_dir(Path::new("/"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| arguments.join(" "))?;
        if let Some(mut pipe) = child.stdin.take() {
            // One that has ended without reading tells why below.
            let _ = pipe.write_all(input.as_bytes());
        }
        let output = child.wait_with_output().with_context(|| arguments.join(" "))?;
        let said = String::from_utf8_lossy(&output.stderr);
        // PostgreSQL's single-user mode ends with success whatever it was told.
        if !output.status.success() || said.contains("ERROR:") {
            bail!("{} failed ({}): {said}", arguments.join(" "), output.status);
        }
        Ok(())
    }
}

//! A Redis (or Valkey) server of our own: how it is started, when it answers.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

const PATIENCE: Duration = Duration::from_secs(2);

/// One server on loopback.
pub(crate) struct Redis {
    /// The program.
    pub(crate) server: PathBuf,
    /// Where it keeps its files.
    pub(crate) folder: PathBuf,
    /// Where it listens.
    pub(crate) port: u16,
}

impl Redis {
    /// The command line that runs it in the foreground. With its title it would write over its environment, by which its
    /// process is known.
    pub(crate) fn arguments(&self, options: &[(&str, &str)]) -> Vec<String> {
        let port = self.port.to_string();
        let folder = self.folder.display().to_string();
        let common = [
            ("--port", port.as_str()),
            ("--bind", "127.0.0.1"),
            ("--dir", folder.as_str()),
            ("--set-proc-title", "no"),
        ];
        let options = common.iter().chain(options);
        let server = self.server.display().to_string();
        let rest = options.flat_map(|(name, value)| [(*name).to_owned(), (*value).to_owned()]);
        std::iter::once(server).chain(rest).collect()
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// Its URL.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// Succeeds if there is a server that answers, and has read its files.
pub(crate) fn ping(address: SocketAddr) -> Result<()> {
    let answer = ask(address, "PING")?;
    if !answer.starts_with("+PONG") {
        bail!("{}", answer.lines().next().unwrap_or_default());
    }
    Ok(())
}

/// Sends one command and returns its answer as it is on the wire, of which the first few kilobytes.
pub(crate) fn ask(address: SocketAddr, command: &str) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context("nobody listens")?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{command}\r\nQUIT\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream
        .take(16_384)
        .read_to_end(&mut answer)
        .context("Redis does not answer")?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

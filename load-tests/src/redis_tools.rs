//! What comes with Redis: `redis-cli` and `redis-benchmark`.

use std::io::Write;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A running Redis, as its own tools know it.
pub(crate) struct RedisTools {
    host: String,
    port: String,
}

impl RedisTools {
    /// At a URL like `redis://127.0.0.1:6379`.
    pub(crate) fn new(url: &str) -> Result<Self> {
        let address = url.strip_prefix("redis://").context("one server without TLS")?;
        let (host, port) = address.rsplit_once(':').context("a URL with a port")?;
        Ok(Self {
            host: host.to_owned(),
            port: port.to_owned(),
        })
    }

    /// Nanoseconds of processor time that the server has taken since it was started.
    pub(crate) fn processor_nanos(&self) -> Result<f64> {
        let output = self.tool("redis-cli").args(["INFO", "cpu"]).output()?;
        let info = String::from_utf8(output.stdout)?;
        let seconds = |name: &str| -> Result<f64> {
            let value = info.lines().find_map(|line| line.strip_prefix(name));
            Ok(value.with_context(|| format!("no {name} in INFO"))?.trim().parse()?)
        };
        let (system, user) = (seconds("used_cpu_sys:")?, seconds("used_cpu_user:")?);
        Ok((system + user) * 1e9)
    }

    /// Makes the lists `raw:000000000000` and so on, each of this many ids.
    pub(crate) fn fill_lists(&self, lists: u64, entries: u64) -> Result<()> {
        let mut pipe = self.tool("redis-cli");
        let mut pipe = pipe.arg("--pipe").stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let mut input = std::io::BufWriter::new(pipe.stdin.take().context("a pipe")?);
        let ids: Vec<String> = (0..entries).map(|entry| (ID + entry).to_string()).collect();
        for list in 0..lists {
            writeln!(input, "RPUSH raw:{list:012} {}\r", ids.join(" "))?;
        }
        drop(input.into_inner()?);
        ensure!(pipe.wait()?.success(), "the lists could not be filled");
        Ok(())
    }

    /// One id to one list with each command, pipelined; answers commands a second.
    pub(crate) fn push_one_by_one(&self, lists: u64, commands: u64) -> Result<f64> {
        let mut benchmark = self.tool("redis-benchmark");
        benchmark.args([
            "-c",
            "8",
            "-P",
            "500",
            "--csv",
            "-r",
            &lists.to_string(),
            "-n",
            &commands.to_string(),
        ]);
        benchmark.args(["LPUSHX", "raw:__rand_int__", &ID.to_string()]);
        let output = benchmark.output().context("redis-benchmark could not be started")?;
        let table = String::from_utf8(output.stdout)?;
        // Name, commands a second, latencies.
        let figures = table.lines().last().context("redis-benchmark printed nothing")?;
        let rate = figures
            .split("\",\"")
            .nth(1)
            .with_context(|| format!("no rate in {figures}"))?;
        Ok(rate.parse()?)
    }

    fn tool(&self, name: &str) -> Command {
        let mut command = Command::new(name);
        command.args(["-h", &self.host, "-p", &self.port]);
        command
    }
}

/// As long as ids of tweets are.
const ID: u64 = 2_000_000_000_000_000_000;

//! The real program as a child process: started, ended (gently or not) and started again on the same data.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use model::{TweetId, UserId};
use parking_lot::Mutex;
use reqwest::Method;

use crate::explain::Explanation;
use crate::history::{Rules, Stop};
use crate::system::{Operator, System};
use crate::transport::{ClientError, HttpTransport, Request, Transport};

/// How long a start may take on a machine that has much else to do.
const START_TRIES: u32 = 1_200;
const BETWEEN_TRIES: Duration = Duration::from_millis(50);

/// What to run, and where.
#[derive(Debug, Clone)]
pub struct ProcessOptions {
    /// The program.
    pub binary: PathBuf,
    /// Its folder: data and the log go into it.
    pub dir: PathBuf,
    /// Settings as environment variables, beside addresses and the data folder.
    pub settings: Vec<(&'static str, String)>,
}

/// A running program. Dropping it kills it.
pub struct RookeryProcess {
    options: ProcessOptions,
    public_port: u16,
    internal_port: u16,
    child: Mutex<Option<Child>>,
    public: Arc<HttpTransport>,
    operator: Operator,
}

impl RookeryProcess {
    /// Starts the program on free ports of its own and waits until it serves.
    pub async fn start(options: ProcessOptions) -> io::Result<Self> {
        fs::create_dir_all(&options.dir)?;
        let ports = free_ports::free(2)?;
        let (public_port, internal_port) = (ports[0], ports[1]);
        let internal: Arc<dyn Transport> = Arc::new(HttpTransport::new(format!("http://127.0.0.1:{internal_port}")));
        let process = Self {
            options,
            public_port,
            internal_port,
            child: Mutex::new(None),
            public: Arc::new(HttpTransport::new(format!("http://127.0.0.1:{public_port}"))),
            operator: Operator {
                follow_graph: internal.clone(),
                fan_out: internal.clone(),
                timeline_read: internal,
                token: None,
            },
        };
        process.launch().await?;
        Ok(process)
    }

    /// Where its log is.
    pub fn log(&self) -> PathBuf {
        self.options.dir.join("rookery.log")
    }

    /// Its data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.options.dir.join("data")
    }

    /// Where operators reach it.
    pub fn internal_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.internal_port)
    }

    /// Where its public API is.
    pub fn public_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.public_port)
    }

    /// Its operators' paths.
    pub fn operator(&self) -> &Operator {
        &self.operator
    }

    /// Its process id; none where it has ended.
    pub fn pid(&self) -> Option<u32> {
        self.child.lock().as_ref().map(Child::id)
    }

    /// A command of the same program, with the same settings.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.options.binary);
        command
            .env("ROOKERY__HTTP__ADDR", format!("127.0.0.1:{}", self.public_port))
            .env("ROOKERY__INTERNAL__ADDR", format!("127.0.0.1:{}", self.internal_port))
            .env("ROOKERY__DATA_DIR", self.data_dir())
            .envs(self.options.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Starts it; it must have ended.
    pub async fn launch(&self) -> io::Result<()> {
        let log = append_to(&self.log())?;
        let child = self
            .command()
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        *self.child.lock() = Some(child);
        self.wait_ready().await
    }

    /// Ends it and waits until it is gone. A gentle end must be a clean one.
    pub async fn end(&self, stop: Stop) -> io::Result<()> {
        let Some(mut child) = self.child.lock().take() else {
            return Ok(());
        };
        match stop {
            Stop::Abrupt => child.kill()?,
            Stop::Graceful => terminate(&child)?,
        }
        let status = tokio::task::spawn_blocking(move || child.wait()).await??;
        if stop == Stop::Abrupt || status.success() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "it ended with {status}; see {}",
            self.log().display()
        )))
    }

    async fn wait_ready(&self) -> io::Result<()> {
        for _ in 0..START_TRIES {
            let ready = self.operator.fan_out.send(Request::new(Method::GET, "/readyz")).await;
            if ready.is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            if let Some(status) = self.exited()? {
                return Err(io::Error::other(format!(
                    "it ended with {status}; see {}",
                    self.log().display()
                )));
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
        Err(io::Error::other(format!(
            "it does not become ready; see {}",
            self.log().display()
        )))
    }

    fn exited(&self) -> io::Result<Option<std::process::ExitStatus>> {
        self.child.lock().as_mut().map_or(Ok(None), Child::try_wait)
    }
}

impl Drop for RookeryProcess {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().take() {
            // It may have ended by itself; then there is nothing to kill.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[async_trait]
impl System for RookeryProcess {
    fn public(&self) -> Arc<dyn Transport> {
        self.public.clone()
    }

    async fn settle(&self, tweets: &[TweetId]) -> Result<(), ClientError> {
        self.operator.settle(tweets).await
    }

    async fn set_rules(&self, rules: Rules) -> Result<(), ClientError> {
        self.operator.set_rules(rules).await
    }

    async fn explain(&self, reader: UserId, tweet: TweetId) -> Result<Explanation, ClientError> {
        self.operator.explain(reader, tweet).await
    }

    async fn restart(&self, stop: Stop) -> Result<(), ClientError> {
        let no_answer = |error: io::Error| ClientError::NoAnswer {
            request: format!("restart ({stop:?})"),
            reason: error.to_string(),
        };
        self.end(stop).await.map_err(no_answer)?;
        self.launch().await.map_err(no_answer)
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

/// `SIGTERM`, which the standard library cannot send.
fn terminate(child: &Child) -> io::Result<()> {
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status()?;
    if sent.success() {
        Ok(())
    } else {
        Err(io::Error::other("the signal could not be sent"))
    }
}

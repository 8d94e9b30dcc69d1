//! What traces cost: the real program four times, on the same data: without traces, with none recorded, with one in a hundred,
//! and with all. The four take turns within each round, so that whatever else the machine does meets all of them; what counts
//! is the processor time of an operation beside that of the program without traces in the same round.

use std::fmt::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use http_kit::TokenIssuer;
use model::SystemClock;
use storage::Credentials;
use test_support::{ProcessOptions, RookeryProcess, Stop};

use crate::http_load::{self, Load};
use crate::metrics;
use crate::pace::Pace;
use crate::population::{self, PATIENCE};
use crate::processor;

/// How many, how long.
#[derive(Args)]
pub(crate) struct Options {
    /// Accounts that read; all follow the stars.
    #[arg(long, default_value_t = 2_000)]
    readers: u64,
    /// How many others each follows.
    #[arg(long, default_value_t = 65)]
    followees: u64,
    /// Tweets that there are before.
    #[arg(long, default_value_t = 40_000)]
    tweets: u64,
    /// Connections that are kept busy.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads that handle requests.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Rounds of each.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Accounts that every reader follows.
const STARS: u64 = 10;
/// Accounts that nobody follows.
const SILENT: u64 = 200;

/// Longer than spans wait before they are sent.
const UNTIL_SENT: Duration = Duration::from_millis(1_200);

/// How the program is run: its name, and the part of the traces that it records, if it is told to.
const VARIANTS: [(&str, Option<&str>); 4] = [
    ("off", None),
    ("none", Some("0")),
    ("1 %", Some("0.01")),
    ("all", Some("1")),
];

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let dir = population::data_folder()?;
    let accounts = make_data(dir.path(), options).await?;
    let (receiver, endpoint) = receiver()?;
    let mut programs = Vec::new();
    for (name, ratio) in VARIANTS {
        let program = Program::start(dir.path(), name, ratio, &endpoint, &accounts, options).await?;
        programs.push(program);
    }
    let mut figures = Vec::new();
    for round in 0..options.rounds {
        for work in Work::ALL {
            // Whoever comes first in one round comes last in the next.
            for turn in 0..programs.len() {
                let variant = (round + turn) % programs.len();
                let program = &programs[variant];
                let figure = program.measure(work, options).await?;
                println!(
                    "  round {}: {:<12} traces {:<4} {:>10.0} /s {:>9.3} us of processor each",
                    round + 1,
                    work.name(),
                    program.name,
                    figure.rate,
                    figure.cost_us
                );
                figures.push((work, variant, round, figure));
            }
        }
    }
    print!("{}", tell(&figures));
    for program in programs {
        println!("traces {:<4} {}", program.name, program.spans().await?);
        program.process.end(Stop::Graceful).await?;
    }
    receiver.stop(true).await;
    Ok(())
}

/// What is done in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Tweets of accounts that nobody follows.
    Posts,
    /// Tweets of accounts that all readers follow: what counts is their deliveries.
    Deliveries,
    /// Pages of home timelines.
    HomeReads,
}

impl Work {
    const ALL: [Self; 3] = [Self::Posts, Self::Deliveries, Self::HomeReads];

    const fn name(self) -> &'static str {
        match self {
            Self::Posts => "posts",
            Self::Deliveries => "deliveries",
            Self::HomeReads => "home reads",
        }
    }
}

/// What a round came to.
#[derive(Debug, Clone, Copy)]
struct Figure {
    /// Operations a second.
    rate: f64,
    /// Processor time of the program for each, in microseconds.
    cost_us: f64,
}

/// Accounts 1 to `readers` read; then come the stars, then those whom nobody follows.
async fn make_data(dir: &Path, options: &Options) -> Result<Vec<Credentials>> {
    let readers = options.readers;
    let graph = population::open_graph(dir)?;
    let stars = (1..=readers).flat_map(|reader| (1..=STARS).map(move |star| (reader, readers + star)));
    let silent = (1..=SILENT).map(|silent| (readers + STARS + silent, 1));
    let edges = population::edges(readers, options.followees).chain(stars).chain(silent);
    population::import(&graph, edges).await?;
    let accounts = population::accounts(&*graph, readers + STARS + SILENT).await?;
    drop(graph);
    let tweets = population::open_tweets(dir)?;
    population::make_tweets(&tweets, readers, options.tweets).await?;
    Ok(accounts)
}

/// Takes spans and forgets them: what a collector does with them is no cost of ours.
fn receiver() -> Result<(ServerHandle, String)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let endpoint = format!("http://{}", listener.local_addr()?);
    let take = |_: web::Bytes| async { HttpResponse::Ok().content_type("application/x-protobuf").finish() };
    let app = move || {
        App::new()
            .app_data(web::PayloadConfig::new(64 << 20))
            .route("/v1/traces", web::post().to(take))
    };
    let server = HttpServer::new(app)
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok((handle, endpoint))
}

/// One of the four.
struct Program {
    name: &'static str,
    process: RookeryProcess,
    address: SocketAddr,
    requests: [Arc<[Bytes]>; 3],
    readers: u64,
}

impl Program {
    /// Starts the program beside this one on a copy of the data, and has the readers' timelines built.
    async fn start(
        data: &Path,
        name: &'static str,
        ratio: Option<&str>,
        endpoint: &str,
        accounts: &[Credentials],
        options: &Options,
    ) -> Result<Self> {
        let dir = data.join(name.replace(' ', ""));
        std::fs::create_dir_all(dir.join("data"))?;
        for file in std::fs::read_dir(data)?.filter_map(Result::ok) {
            if file.file_type()?.is_file() {
                std::fs::copy(file.path(), dir.join("data").join(file.file_name()))?;
            }
        }
        let mut settings = vec![
            ("ROOKERY__HTTP__WORKERS", options.workers.to_string()),
            ("ROOKERY__TIMELINE__STRATEGY", "push".to_owned()),
        ];
        if let Some(ratio) = ratio {
            settings.push(("ROOKERY__OTLP__ENDPOINT", endpoint.to_owned()));
            settings.push(("ROOKERY__OTLP__SAMPLE_RATIO", ratio.to_owned()));
        }
        let binary = std::env::current_exe()?.with_file_name("rookery");
        let process = RookeryProcess::start(ProcessOptions { binary, dir, settings }).await?;
        let address = process.public_url().replace("http://", "").parse()?;
        let program = Self {
            name,
            requests: requests(&process, accounts, options)?,
            process,
            address,
            readers: options.readers,
        };
        program.warm_up().await?;
        Ok(program)
    }

    /// Reads every timeline until all are stored.
    async fn warm_up(&self) -> Result<()> {
        let give_up = Instant::now() + PATIENCE;
        let built = "rookery_timeline_builds_total{work=\"build\",outcome=\"done\"}";
        #[expect(clippy::cast_precision_loss, reason = "some thousands")]
        while self.metric(built).await? < self.readers as f64 {
            for request in &*self.requests[2] {
                let (status, _) = http_load::once(self.address, request).await?;
                ensure!(status == 200, "a home timeline was answered {status}");
            }
            ensure!(Instant::now() < give_up, "the timelines were not built");
        }
        Ok(())
    }

    /// One round.
    async fn measure(&self, work: Work, options: &Options) -> Result<Figure> {
        let (requests, expected) = match work {
            Work::Posts => (&self.requests[0], 201),
            Work::Deliveries => (&self.requests[1], 201),
            Work::HomeReads => (&self.requests[2], 200),
        };
        let load = Load {
            address: self.address,
            requests: Arc::clone(requests),
            connections: options.connections,
            pace: Pace::AsAnswered(Duration::from_secs(options.seconds)),
        };
        let pid = self.process.pid().context("it runs")?;
        let fanned_out = "rookery_tweets_fanned_out_total";
        let (before, done_before) = (processor::time_of(pid)?, self.metric(fanned_out).await?);
        let begun = Instant::now();
        let outcome = http_load::run(load, expected).await?;
        if outcome.refused > 0 {
            bail!("requests refused: {}", outcome.refused);
        }
        let answers = count(outcome.answers);
        if work != Work::HomeReads {
            while self.metric(fanned_out).await? < done_before + answers {
                ensure!(begun.elapsed() < PATIENCE, "the tweets are not delivered");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        let elapsed = begun.elapsed();
        tokio::time::sleep(UNTIL_SENT).await;
        let spent = processor::time_of(pid)?.saturating_sub(before);
        let each = if work == Work::Deliveries {
            count(self.readers)
        } else {
            1.0
        };
        Ok(Figure {
            rate: answers * each / elapsed.as_secs_f64(),
            cost_us: spent.as_secs_f64() * 1e6 / (answers * each),
        })
    }

    /// The sum of all metrics whose names begin so.
    async fn metric(&self, name: &str) -> Result<f64> {
        metrics::sum(&self.process.internal_url(), name).await
    }

    /// How many spans were sent, and how many were not.
    async fn spans(&self) -> Result<String> {
        let exported = self.metric("rookery_spans_exported_total").await?;
        let dropped = self.metric("rookery_spans_dropped_total").await?;
        Ok(format!("spans sent: {exported}, dropped: {dropped}"))
    }
}

/// Posts of those whom nobody follows, posts of the stars, and home reads.
fn requests(process: &RookeryProcess, accounts: &[Credentials], options: &Options) -> Result<[Arc<[Bytes]>; 3]> {
    let key = std::fs::read_to_string(process.data_dir().join("signing-key.pem"))?;
    let issuer = TokenIssuer::new(&key, Arc::new(SystemClock))?;
    let body = serde_json::json!({ "text": population::TEXT }).to_string();
    let post = |account: &Credentials| http_load::post("/v1/tweets", &issuer.issue(account).token, &body);
    let read = |account: &Credentials| http_load::get("/v1/timelines/home", &issuer.issue(account).token);
    let (readers, others) = accounts.split_at(usize::try_from(options.readers)?);
    let (stars, silent) = others.split_at(usize::try_from(STARS)?);
    Ok([
        silent.iter().map(post).collect(),
        stars.iter().map(post).collect(),
        readers.iter().map(read).collect(),
    ])
}

/// What each variant costs beside the first, which records nothing.
fn tell(figures: &[(Work, usize, usize, Figure)]) -> String {
    let mut text = String::new();
    for work in Work::ALL {
        let of = |variant: usize| {
            figures
                .iter()
                .filter(move |figure| figure.0 == work && figure.1 == variant)
        };
        for (variant, (name, _)) in VARIANTS.iter().enumerate() {
            let rates = Spread::of(of(variant).map(|figure| figure.3.rate));
            let costs = Spread::of(of(variant).map(|figure| figure.3.cost_us));
            let beside = of(variant)
                .zip(of(0))
                .map(|(figure, off)| figure.3.cost_us / off.3.cost_us);
            let ratio = Spread::of(beside);
            let _ = writeln!(
                text,
                "{:<12} traces {name:<4} {:>10.0} /s   {:>9.3} us each   {:.3} of that without ({:.3} to {:.3})",
                work.name(),
                rates.median,
                costs.median,
                ratio.median,
                ratio.lowest,
                ratio.highest
            );
        }
    }
    text
}

/// Figures of several rounds.
struct Spread {
    lowest: f64,
    median: f64,
    highest: f64,
}

impl Spread {
    fn of(figures: impl Iterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = figures.collect();
        sorted.sort_by(f64::total_cmp);
        let at = |place: usize| sorted.get(place).copied().unwrap_or(f64::NAN);
        Self {
            lowest: at(0),
            median: at(sorted.len() / 2),
            highest: at(sorted.len().saturating_sub(1)),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn count(number: u64) -> f64 {
    number as f64
}

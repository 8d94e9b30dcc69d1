//! Home timeline reads over HTTP, and beside them, in alternating rounds, a handler that answers the same bytes and does
//! nothing else: what is lost against it is what a read costs.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::http::header::ContentType;
use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use clap::Args;

use crate::http_load::{self, Load, Outcome};
use crate::pace::Pace;
use crate::population::{self, PATIENCE, Server};
use crate::rounds::Series;

/// How many, how long.
#[derive(Args)]
pub(crate) struct Options {
    /// How many accounts.
    #[arg(long, default_value_t = 20_000)]
    accounts: u64,
    /// How many others each follows.
    #[arg(long, default_value_t = 75)]
    followees: u64,
    /// How many tweets there are.
    #[arg(long, default_value_t = 200_000)]
    tweets: u64,
    /// How many of the accounts read.
    #[arg(long, default_value_t = 2_000)]
    readers: u64,
    /// Tweets on a page.
    #[arg(long, default_value_t = 20)]
    limit: u64,
    /// Connections that are kept busy.
    #[arg(long, default_value_t = 64)]
    connections: usize,
    /// Threads that handle requests, on either side.
    #[arg(long, default_value_t = 1)]
    workers: usize,
    /// Rounds of each side.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Seconds of a round.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
}

/// Measures.
pub(crate) async fn run(options: &Options) -> Result<()> {
    let dir = population::data_folder()?;
    println!("accounts to make: {}, tweets: {}", options.accounts, options.tweets);
    let graph = population::open_graph(dir.path())?;
    population::make_graph(&graph, options.accounts, options.followees).await?;
    let readers = population::accounts(&*graph, options.readers).await?;
    drop(graph);
    let tweets = population::open_tweets(dir.path())?;
    population::make_tweets(&tweets, options.accounts, options.tweets).await?;
    drop(tweets);

    let server = Server::start(dir.path(), options.workers).await?;
    let tokens = server.tokens(&readers)?;
    let path = format!("/v1/timelines/home?limit={}", options.limit);
    let requests: Vec<Bytes> = tokens.iter().map(|token| http_load::get(&path, token)).collect();
    let page = warm_up(&server, &requests, options).await?;
    println!("a page has {} bytes", page.len());
    let (no_op, no_op_address) = no_op(page, options.workers)?;
    let load = |address| Load {
        address,
        requests: requests.clone().into(),
        connections: options.connections,
        pace: Pace::AsAnswered(Duration::from_secs(options.seconds)),
    };
    compare(options.rounds, load(server.address()), load(no_op_address)).await?;
    no_op.stop(true).await;
    server.stop().await
}

/// Reads each timeline once and waits until all are built; answers a page.
async fn warm_up(server: &Server, requests: &[Bytes], options: &Options) -> Result<Bytes> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        for request in requests {
            let (status, _) = http_load::once(server.address(), request).await?;
            if status != 200 {
                bail!("a home timeline was answered {status}");
            }
        }
        if server.timeline_stats().await?.timelines >= options.readers {
            break;
        }
        if Instant::now() > give_up {
            bail!("the timelines were not built");
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // Built, not only begun.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let request = requests.first().context("there are readers")?;
    Ok(http_load::once(server.address(), request).await?.1.into())
}

/// A server whose one handler answers these bytes.
fn no_op(page: Bytes, workers: usize) -> Result<(ServerHandle, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let server = HttpServer::new(move || {
        let page = page.clone();
        let answer = move || {
            let page = page.clone();
            async move { HttpResponse::Ok().content_type(ContentType::json()).body(page) }
        };
        App::new().route("/v1/timelines/home", web::get().to(answer))
    })
    .workers(workers)
    .disable_signals()
    .listen(listener)?
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    Ok((handle, address))
}

async fn compare(rounds: usize, rookery: Load, no_op: Load) -> Result<()> {
    let mut reads = Series::new("home timeline reads", "/s");
    let mut nothing = Series::new("no-op handler, same bytes", "/s");
    let mut last: Option<Outcome> = None;
    for _ in 0..rounds {
        let outcome = http_load::run(rookery.clone(), 200).await?;
        if outcome.refused > 0 {
            bail!("reads refused: {}", outcome.refused);
        }
        reads.add(outcome.rate());
        nothing.add(http_load::run(no_op.clone(), 200).await?.rate());
        last = Some(outcome);
    }
    println!("{reads}\n{nothing}");
    println!("ratio of the medians: {:.3}", reads.median() / nothing.median());
    if let Some(outcome) = last {
        println!("latency of the last round: {}", outcome.latencies);
    }
    Ok(())
}

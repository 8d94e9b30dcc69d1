//! Runs a service's routes on a listener.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::middleware::from_fn;
use actix_web::{App, HttpResponse, HttpServer, web};
use tokio_util::sync::CancellationToken;

use crate::server_span::BeginsTraces;
use crate::shell::shell;
use crate::{Limits, Problem, RequestMetrics, RequestTimeout, problems};

/// Longer than load balancers keep theirs, so that they close first and never send into a closing connection.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// Clients that take longer for the head of a request are cut off.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
const BACKLOG: u32 = 4_096;

/// How a server is run.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// Threads that handle requests.
    pub workers: usize,
    /// How long a request may take.
    pub request_timeout: Duration,
    /// How long a stopping server waits for the requests that it has begun.
    pub shutdown_timeout: Duration,
    /// Connections that a worker holds at a time; others wait to be accepted.
    pub max_connections: usize,
    /// Limits by account and address; none when absent.
    pub limits: Option<Arc<Limits>>,
    /// Where requests are counted.
    pub metrics: RequestMetrics,
    /// Whether a request that belongs to no trace begins one.
    pub begins_traces: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            request_timeout: RequestTimeout::default().0,
            shutdown_timeout: Duration::from_secs(10),
            max_connections: 25_000,
            limits: None,
            metrics: RequestMetrics::default(),
            begins_traces: true,
        }
    }
}

/// Serves until `shutdown` is cancelled and the requests that had begun are answered. To be called within a Tokio runtime;
/// requests are handled by threads of their own.
pub fn serve<F>(
    listener: TcpListener,
    options: ServerOptions,
    configure: F,
    shutdown: CancellationToken,
) -> impl Future<Output = io::Result<()>> + Send
where
    F: Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
{
    let timeout = RequestTimeout(options.request_timeout);
    let limits = options.limits.map(web::Data::from);
    let metrics = web::Data::new(options.metrics);
    let traces = web::Data::new(BeginsTraces(options.begins_traces));
    let app = move || {
        let mut app = App::new()
            .app_data(web::Data::new(timeout))
            .app_data(metrics.clone())
            .app_data(traces.clone());
        if let Some(limits) = &limits {
            app = app.app_data(limits.clone());
        }
        app.configure(configure.clone())
            .default_service(web::to(not_found))
            .wrap(from_fn(shell))
    };
    // Started here, since what builds the server can't be sent to another thread, while what runs it can.
    let server = HttpServer::new(app)
        .workers(options.workers.max(1))
        .max_connections(options.max_connections)
        .backlog(BACKLOG)
        .keep_alive(KEEP_ALIVE)
        .tcp_nodelay(true)
        .client_request_timeout(HEAD_TIMEOUT)
        .shutdown_timeout(options.shutdown_timeout.as_secs().max(1))
        .shutdown_signal(shutdown.cancelled_owned())
        .listen(listener)
        .map(HttpServer::run);
    async move { server?.await }
}

async fn not_found() -> Result<HttpResponse, Problem> {
    Err(Problem::new(
        &problems::NOT_FOUND,
        "No resource has this path. GET /v1/openapi.json lists those that there are.",
    ))
}

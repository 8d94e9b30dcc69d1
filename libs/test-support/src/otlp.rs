//! A receiver of traces, OTLP over HTTP, for tests. It stands for a collector, a well or an ill one.
//!
//! The program `otlp-receiver` takes traces in the same way, and writes them to a [`SpanFile`].

mod file;
mod span;
mod trace;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use parking_lot::Mutex;

pub use file::SpanFile;
pub use span::{LinkRecord, SpanRecord, decode};
pub use trace::Trace;

/// The largest request that is taken.
pub const MAX_BODY_BYTES: usize = 64 << 20;
/// Far longer than spans wait before they are sent.
const PATIENCE: Duration = Duration::from_mins(1);
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// How it receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// It takes what comes.
    Take,
    /// It answers 400 and takes nothing.
    Refuse,
    /// It never answers.
    Hang,
}

/// What it has received, and how it is to go on.
struct State {
    spans: Vec<SpanRecord>,
    manner: Manner,
    requests: usize,
}

/// The receiver. It ends when this is dropped.
pub struct OtlpReceiver {
    endpoint: String,
    state: Arc<Mutex<State>>,
    server: ServerHandle,
}

impl OtlpReceiver {
    /// Receives on a free port of this machine.
    pub fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let state = Arc::new(Mutex::new(State {
            spans: Vec::new(),
            manner: Manner::Take,
            requests: 0,
        }));
        let (started, server) = mpsc::channel();
        let shared = Arc::clone(&state);
        // A thread of its own, so that tests may block theirs.
        thread::spawn(move || serve(listener, shared, &started));
        let server = server.recv().map_err(io::Error::other)??;
        Ok(Self {
            endpoint,
            state,
            server,
        })
    }

    /// For `ROOKERY__OTLP__ENDPOINT`.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// From now on.
    pub fn behave(&self, manner: Manner) {
        self.state.lock().manner = manner;
    }

    /// How many requests have come.
    pub fn requests(&self) -> usize {
        self.state.lock().requests
    }

    /// All that it has taken.
    pub fn spans(&self) -> Vec<SpanRecord> {
        self.state.lock().spans.clone()
    }

    /// The spans of a trace that it has taken.
    pub fn trace(&self, trace_id: &str) -> Trace {
        let spans = self.spans().into_iter().filter(|span| span.trace_id == trace_id);
        Trace::of(spans.collect())
    }

    /// The trace in which a tweet was committed, if that span has come.
    pub fn trace_of_tweet(&self, tweet: &str) -> Option<Trace> {
        let is_commit = |span: &&SpanRecord| span.name == "commit tweet" && span.text("rookery.tweet.id") == tweet;
        let trace_id = self.spans().iter().find(is_commit)?.trace_id.clone();
        Some(self.trace(&trace_id))
    }

    /// The trace of a tweet, once it has all of this; waits a minute at most, and blocks the thread meanwhile.
    pub fn block_until_traced(&self, tweet: &str, is_whole: impl Fn(&Trace) -> bool) -> Trace {
        let begun = Instant::now();
        loop {
            match self.trace_of_tweet(tweet) {
                Some(trace) if is_whole(&trace) => return trace,
                trace if begun.elapsed() > PATIENCE => {
                    let text = trace.map(|trace| trace.as_text()).unwrap_or_default();
                    panic!("the trace of {tweet} is not whole:\n{text}");
                }
                _ => thread::sleep(BETWEEN_LOOKS),
            }
        }
    }

    /// Waits for spans, a minute at most.
    pub fn block_until(&self, is_so: impl Fn(&[SpanRecord]) -> bool) -> Vec<SpanRecord> {
        let begun = Instant::now();
        loop {
            let spans = self.spans();
            if is_so(&spans) {
                return spans;
            }
            assert!(begun.elapsed() < PATIENCE, "they do not come: {spans:#?}");
            thread::sleep(BETWEEN_LOOKS);
        }
    }
}

impl Drop for OtlpReceiver {
    fn drop(&mut self) {
        // It needs nobody to wait for it.
        drop(self.server.stop(false));
    }
}

fn serve(listener: TcpListener, state: Arc<Mutex<State>>, started: &mpsc::Sender<io::Result<ServerHandle>>) {
    let state = web::Data::from(state);
    let app = move || {
        App::new()
            .app_data(state.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY_BYTES))
            .route("/v1/traces", web::post().to(receive))
    };
    actix_web::rt::System::new().block_on(async {
        match HttpServer::new(app).workers(1).disable_signals().listen(listener) {
            Ok(server) => {
                let server = server.run();
                let _ = started.send(Ok(server.handle()));
                let _ = server.await;
            }
            Err(error) => _ = started.send(Err(error)),
        }
    });
}

async fn receive(state: web::Data<Mutex<State>>, body: web::Bytes) -> HttpResponse {
    let manner = {
        let mut state = state.lock();
        state.requests += 1;
        state.manner
    };
    match manner {
        Manner::Take => {}
        Manner::Refuse => return HttpResponse::BadRequest().finish(),
        Manner::Hang => std::future::pending().await,
    }
    let Ok(records) = decode(body) else {
        return HttpResponse::BadRequest().finish();
    };
    state.lock().spans.extend(records);
    HttpResponse::Ok().content_type("application/x-protobuf").finish()
}

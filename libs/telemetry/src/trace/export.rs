//! From ended spans to the collector: a bounded queue, and one task that sends what is in it.
//!
//! Nobody waits for a collector. Where it is slow or away the queue fills, and what does not fit is dropped and counted.

use std::time::Duration;

use opentelemetry::trace::TracerProvider as _;
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, RetryPolicy, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    Sampler, SdkTracer, SdkTracerProvider, Span, SpanData, SpanExporter as _, SpanProcessor,
};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::JoinHandle;
use tokio::time::{sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::Metrics;

/// Ended spans that wait to be sent, at most: some 10 MiB.
const QUEUE: usize = 8_192;
/// How many one request carries, at most.
const BATCH: usize = 512;
/// How long a span waits for company.
const FILL_WITHIN: Duration = Duration::from_secs(1);
/// How long one batch may take, repeats among it.
const SEND_WITHIN: Duration = Duration::from_secs(5);
const CONNECT_WITHIN: Duration = Duration::from_secs(1);

/// Where traces go, and what they say of the process.
#[derive(Debug, Clone)]
pub struct TraceOptions {
    /// The program.
    pub service: String,
    /// Its version.
    pub version: &'static str,
    /// A collector that takes OTLP over HTTP, such as `http://localhost:4318`.
    pub endpoint: String,
    /// How many of the traces that begin here are recorded: 0 for none, 1 for all.
    pub sample_ratio: f64,
}

/// Traces can't be sent.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The client of the collector can't be made.
    #[error("traces can't be sent to {endpoint}: {reason}")]
    Client {
        /// Where they were to go.
        endpoint: String,
        /// Why not.
        reason: String,
    },
    /// A process has one collector.
    #[error("traces are sent already")]
    Twice,
}

/// What became of spans.
#[derive(Debug, Clone, Default)]
pub(super) struct Counters {
    exported: Counter,
    dropped: Family<DropLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    reason: &'static str,
}

const QUEUE_FULL: &str = "queue_full";
const NOT_TAKEN: &str = "not_taken";
const TOO_LATE: &str = "too_late";

impl Counters {
    pub(super) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_spans_exported",
            "Spans that the collector of traces has taken",
            &self.exported,
        );
        metrics.add(
            "rookery_spans_dropped",
            "Spans that no collector has, by `reason`: the queue was full (`queue_full`), the collector did not take them \
             (`not_taken`), or the process had sent its last (`too_late`)",
            &self.dropped,
        );
        // There from the start: what appears with its first is no increase to Prometheus.
        for reason in [QUEUE_FULL, NOT_TAKEN, TOO_LATE] {
            self.drop(reason, 0);
        }
    }

    fn drop(&self, reason: &'static str, spans: usize) {
        self.dropped.get_or_create(&DropLabels { reason }).inc_by(spans as u64);
    }
}

/// The queue's end where spans come in.
#[derive(Debug)]
struct Queue {
    spans: mpsc::Sender<SpanData>,
    counters: Counters,
}

impl SpanProcessor for Queue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        match self.spans.try_send(span) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => self.counters.drop(QUEUE_FULL, 1),
            Err(TrySendError::Closed(_)) => self.counters.drop(TOO_LATE, 1),
        }
    }

    /// [`Exporting::flush`] does.
    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Traces are being sent. To be ended by [`Exporting::flush`], lest the last are lost.
#[derive(Debug)]
pub struct Exporting {
    ending: CancellationToken,
    sending: JoinHandle<()>,
}

impl Exporting {
    /// Sends what has ended until now; gives up after so long.
    pub async fn flush(self, within: Duration) {
        let Self { ending, mut sending } = self;
        ending.cancel();
        if timeout(within, &mut sending).await.is_err() {
            sending.abort();
            tracing::warn!("the last spans could not be sent in time");
        }
    }
}

pub(super) fn start(options: &TraceOptions, counters: Counters) -> Result<(SdkTracer, Exporting), StartError> {
    let resource = resource(options);
    let mut exporter = exporter(options)?;
    exporter.set_resource(&resource);
    let (sender, spans) = mpsc::channel(QUEUE);
    let queue = Queue {
        spans: sender,
        counters: counters.clone(),
    };
    // What is not to be recorded never comes here.
    let provider = SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .with_span_processor(queue)
        .build();
    let ending = CancellationToken::new();
    let sending = Sending {
        spans,
        exporter,
        counters,
        ending: ending.clone(),
        is_failing: false,
    };
    let exporting = Exporting {
        ending,
        sending: tokio::spawn(sending.run()),
    };
    Ok((provider.tracer("rookery"), exporting))
}

/// With what `OTEL_RESOURCE_ATTRIBUTES` adds, as the platform may.
fn resource(options: &TraceOptions) -> Resource {
    let instance = format!("{:032x}", rand::random::<u128>());
    Resource::builder()
        .with_service_name(options.service.clone())
        .with_attributes([
            KeyValue::new("service.namespace", "rookery"),
            KeyValue::new("service.version", options.version),
            KeyValue::new("service.instance.id", instance),
        ])
        .build()
}

fn exporter(options: &TraceOptions) -> Result<SpanExporter, StartError> {
    let refused = |reason: String| StartError::Client {
        endpoint: options.endpoint.clone(),
        reason,
    };
    let client = reqwest::Client::builder()
        .connect_timeout(CONNECT_WITHIN)
        .timeout(SEND_WITHIN)
        .no_proxy()
        .build()
        .map_err(|error| refused(error.to_string()))?;
    SpanExporter::builder()
        .with_http()
        .with_http_client(client)
        .with_endpoint(format!("{}/v1/traces", options.endpoint.trim_end_matches('/')))
        .with_protocol(Protocol::HttpBinary)
        .with_timeout(SEND_WITHIN)
        .with_retry_policy(RetryPolicy::recommended())
        .build()
        .map_err(|error| refused(error.to_string()))
}

/// The queue's other end.
struct Sending {
    spans: mpsc::Receiver<SpanData>,
    exporter: SpanExporter,
    counters: Counters,
    ending: CancellationToken,
    /// Whether the last batch was not taken.
    is_failing: bool,
}

impl Sending {
    async fn run(mut self) {
        while !self.ending.is_cancelled() {
            let batch = self.fill().await;
            self.send(batch).await;
        }
        self.spans.close();
        while let Some(batch) = self.left() {
            // One that does not take the first does not take the others.
            if self.is_failing {
                self.counters.drop(NOT_TAKEN, batch.len());
            } else {
                self.send(batch).await;
            }
        }
    }

    /// Waits for a first span, and then until there are enough, or it is time, or the end.
    async fn fill(&mut self) -> Vec<SpanData> {
        let mut batch = Vec::new();
        let mut until = tokio::time::Instant::now();
        while batch.len() < BATCH {
            let (is_first, room) = (batch.is_empty(), BATCH - batch.len());
            tokio::select! {
                biased;
                () = self.ending.cancelled() => break,
                received = self.spans.recv_many(&mut batch, room) => {
                    // Nobody is left who makes spans.
                    if received == 0 {
                        self.ending.cancel();
                        break;
                    }
                }
                () = sleep_until(until), if !is_first => break,
            }
            if is_first {
                until = tokio::time::Instant::now() + FILL_WITHIN;
            }
        }
        batch
    }

    /// What is left at the end.
    fn left(&mut self) -> Option<Vec<SpanData>> {
        let mut batch = Vec::new();
        while batch.len() < BATCH
            && let Ok(span) = self.spans.try_recv()
        {
            batch.push(span);
        }
        (!batch.is_empty()).then_some(batch)
    }

    async fn send(&mut self, batch: Vec<SpanData>) {
        if batch.is_empty() {
            return;
        }
        let spans = batch.len();
        let sent = timeout(SEND_WITHIN, self.exporter.export(batch)).await;
        let failure = match sent {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(_) => Some("it does not answer in time".to_owned()),
        };
        match &failure {
            None => _ = self.counters.exported.inc_by(spans as u64),
            Some(_) => self.counters.drop(NOT_TAKEN, spans),
        }
        let was_failing = std::mem::replace(&mut self.is_failing, failure.is_some());
        match failure {
            Some(reason) if !was_failing => {
                tracing::warn!(reason, "the collector takes no spans; they are dropped and counted");
            }
            None if was_failing => tracing::info!("the collector takes spans again"),
            _ => {}
        }
    }
}

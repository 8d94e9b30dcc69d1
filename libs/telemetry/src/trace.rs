//! Traces: what was done for whom, across processes, sent to whoever collects them ([`start`]).
//!
//! Whether a trace is recorded is decided once, where it begins: by a request that says so (`traceparent`), else by chance.
//! What is not recorded costs a branch: then a [`Span`] holds nothing, and so do all that would be within it. Hence there
//! are no spans of `tracing`, which are made first and sampled later.
//!
//! A span is current for the code that it [covers](Span::cover). Names and attributes follow the semantic conventions of
//! OpenTelemetry; what they have no name for begins with `rookery.`. They hold ids and counts: never a text, a token, a
//! password or a client's address.

mod export;
pub mod names;
mod parent;

use std::borrow::Cow;
use std::sync::OnceLock;

use futures::future::Either;
use opentelemetry::trace::{FutureExt, SpanBuilder, Status, TraceContextExt, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;

pub use export::{Exporting, StartError, TraceOptions};
pub use opentelemetry::trace::SpanKind as Kind;
pub use opentelemetry::{StringValue, Value};
pub use parent::Parent;

use crate::Metrics;
use export::Counters;

/// The headers of W3C Trace Context.
pub const TRACEPARENT: &str = "traceparent";
/// What other systems add to it.
pub const TRACESTATE: &str = "tracestate";

static TRACING: OnceLock<Tracing> = OnceLock::new();

struct Tracing {
    tracer: SdkTracer,
    sample_ratio: f64,
    counters: Counters,
}

/// Sends traces from now on, for as long as the process lives. To be called once, within a Tokio runtime.
pub fn start(options: &TraceOptions) -> Result<Exporting, StartError> {
    let sample_ratio = options.sample_ratio;
    let counters = Counters::default();
    let (tracer, exporting) = export::start(options, counters.clone())?;
    let tracing = Tracing {
        tracer,
        sample_ratio,
        counters,
    };
    TRACING.set(tracing).map_err(|_| StartError::Twice)?;
    Ok(exporting)
}

/// Whether this process sends traces.
pub fn is_on() -> bool {
    TRACING.get().is_some()
}

/// Adds what is counted of spans to the metrics of the process.
pub fn register(metrics: &mut Metrics) {
    let counters = TRACING.get().map(|tracing| tracing.counters.clone());
    counters.unwrap_or_default().register(metrics);
}

/// A piece of work, from its making until this is dropped; or nothing, where it is not recorded.
#[derive(Debug, Default)]
#[must_use = "a span ends when it is dropped"]
pub struct Span(Option<Context>);

impl Span {
    /// Nothing.
    pub const fn none() -> Self {
        Self(None)
    }

    /// The first of a trace, if chance has it recorded.
    pub fn root(kind: Kind, name: &'static str) -> Self {
        match TRACING.get() {
            Some(tracing) if rand::random::<f64>() < tracing.sample_ratio => tracing.begin(kind, name, &Context::new()),
            _ => Self::none(),
        }
    }

    /// The first of a trace that is recorded, since it belongs to others that are: they are to be [linked](Span::link).
    pub fn root_of_recorded(kind: Kind, name: &'static str) -> Self {
        let tracing = TRACING.get();
        tracing.map_or_else(Self::none, |tracing| tracing.begin(kind, name, &Context::new()))
    }

    /// Goes on in a trace that has come from elsewhere, if it is recorded there.
    pub fn within(parent: &Parent, kind: Kind, name: &'static str) -> Self {
        match TRACING.get() {
            Some(tracing) if parent.is_recorded() => tracing.begin(kind, name, &parent.context()),
            _ => Self::none(),
        }
    }

    /// A part of what is current, if that is recorded.
    pub fn child(kind: Kind, name: &'static str) -> Self {
        let Some(tracing) = TRACING.get() else {
            return Self::none();
        };
        let current = Context::map_current(|current| current.has_active_span().then(|| current.clone()));
        current.map_or_else(Self::none, |current| tracing.begin(kind, name, &current))
    }

    /// Whether there is one.
    pub const fn is_recorded(&self) -> bool {
        self.0.is_some()
    }

    /// Another name than at first.
    pub fn rename(&self, name: impl Into<Cow<'static, str>>) {
        if let Some(context) = &self.0 {
            context.span().update_name(name);
        }
    }

    /// Says something of it. Values that take making are to be made only if it [is recorded](Self::is_recorded).
    pub fn set(&self, name: &'static str, value: impl Into<Value>) {
        if let Some(context) = &self.0 {
            context.span().set_attribute(KeyValue::new(name, value));
        }
    }

    /// A count of something.
    pub fn count(&self, name: &'static str, count: u64) {
        self.set(name, i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// It failed; `error_type` takes few values.
    pub fn fail(&self, error_type: impl Into<StringValue>) {
        if let Some(context) = &self.0 {
            let span = context.span();
            span.set_attribute(KeyValue::new(names::ERROR_TYPE, error_type.into()));
            span.set_status(Status::error(""));
        }
    }

    /// It has to do with another.
    pub fn link(&self, other: &Self) {
        if let (Some(context), Some(other)) = (&self.0, &other.0) {
            context.span().add_link(other.span().span_context().clone(), Vec::new());
        }
    }

    /// Whatever `work` makes is a part of this, and its log lines say so.
    pub fn cover<F: Future>(&self, work: F) -> impl Future<Output = F::Output> + use<F> {
        match &self.0 {
            Some(context) => Either::Left(work.with_context(context.clone())),
            None => Either::Right(work),
        }
    }

    /// As a parent for others, elsewhere.
    pub fn as_parent(&self) -> Option<Parent> {
        let context = self.0.as_ref()?;
        Some(Parent::of(context.span().span_context()))
    }

    /// It ends here, and not when it is dropped.
    pub fn end(&self) {
        if let Some(context) = &self.0 {
            context.span().end();
        }
    }
}

impl Drop for Span {
    /// What it covers may hold it longer.
    fn drop(&mut self) {
        self.end();
    }
}

impl Tracing {
    fn begin(&self, kind: Kind, name: &'static str, parent: &Context) -> Span {
        let span = SpanBuilder::from_name(name).with_kind(kind);
        let span = self.tracer.build_with_context(span, parent);
        Span(Some(parent.with_span(span)))
    }
}

/// What is current, as a parent for others, elsewhere; `None` if nothing is recorded.
pub fn current() -> Option<Parent> {
    if !is_on() {
        return None;
    }
    Context::map_current(|current| {
        let span = current.has_active_span().then(|| current.span())?;
        Some(Parent::of(span.span_context()))
    })
}

//! Spans, as plainly as they can be told.

use std::collections::BTreeMap;
use std::fmt::Write;

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::common::v1::{AnyValue as Any, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::{Link, SpanKind};
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, Span};
use prost::bytes::Buf;
use prost::{DecodeError, Message};
use serde::Serialize;
use serde_json::Value;

/// A span that has ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SpanRecord {
    /// `service.name` of the process.
    pub service: String,
    /// `service.instance.id` of the process.
    pub instance: String,
    /// In hexadecimal.
    pub trace_id: String,
    /// In hexadecimal.
    pub span_id: String,
    /// In hexadecimal; `None` for the first of a trace.
    pub parent_span_id: Option<String>,
    /// What it is.
    pub name: String,
    /// `SERVER`, `CLIENT`, `PRODUCER`, `CONSUMER` or `INTERNAL`.
    pub kind: &'static str,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    /// Nanoseconds since 1970.
    pub end_ns: u64,
    /// What it says.
    pub attributes: BTreeMap<String, Value>,
    /// What it has to do with.
    pub links: Vec<LinkRecord>,
    /// Whether it failed.
    pub is_error: bool,
}

/// A link to another span.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkRecord {
    /// In hexadecimal.
    pub trace_id: String,
    /// In hexadecimal.
    pub span_id: String,
}

impl SpanRecord {
    /// A count among its attributes. It must be there.
    pub fn count(&self, name: &str) -> i64 {
        let value = self.attributes.get(name).and_then(Value::as_i64);
        value.unwrap_or_else(|| panic!("{name} is no count of {self:#?}"))
    }

    /// A text among its attributes; empty if there is none.
    pub fn text(&self, name: &str) -> &str {
        self.attributes.get(name).and_then(Value::as_str).unwrap_or_default()
    }
}

/// The spans of a request; an error if it is none.
pub fn decode(body: impl Buf) -> Result<Vec<SpanRecord>, DecodeError> {
    let request = ExportTraceServiceRequest::decode(body)?;
    Ok(request.resource_spans.into_iter().flat_map(of_process).collect())
}

fn of_process(of: ResourceSpans) -> Vec<SpanRecord> {
    let resource = attributes(of.resource.map(|resource| resource.attributes).unwrap_or_default());
    let text = |name: &str| {
        resource
            .get(name)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (service, instance) = (text("service.name"), text("service.instance.id"));
    let spans = of.scope_spans.into_iter().flat_map(|scope| scope.spans);
    spans.map(|span| record(span, &service, &instance)).collect()
}

fn record(span: Span, service: &str, instance: &str) -> SpanRecord {
    let kind = match SpanKind::try_from(span.kind) {
        Ok(SpanKind::Server) => "SERVER",
        Ok(SpanKind::Client) => "CLIENT",
        Ok(SpanKind::Producer) => "PRODUCER",
        Ok(SpanKind::Consumer) => "CONSUMER",
        _ => "INTERNAL",
    };
    let link = |link: Link| LinkRecord {
        trace_id: hex(&link.trace_id),
        span_id: hex(&link.span_id),
    };
    let is_error = |code: i32| code == StatusCode::Error as i32;
    SpanRecord {
        service: service.to_owned(),
        instance: instance.to_owned(),
        trace_id: hex(&span.trace_id),
        span_id: hex(&span.span_id),
        parent_span_id: Some(hex(&span.parent_span_id)).filter(|id| !id.is_empty()),
        name: span.name,
        kind,
        start_ns: span.start_time_unix_nano,
        end_ns: span.end_time_unix_nano,
        attributes: attributes(span.attributes),
        links: span.links.into_iter().map(link).collect(),
        is_error: span.status.is_some_and(|status| is_error(status.code)),
    }
}

fn attributes(pairs: Vec<KeyValue>) -> BTreeMap<String, Value> {
    let pair = |pair: KeyValue| (pair.key, pair.value.map_or(Value::Null, plain));
    pairs.into_iter().map(pair).collect()
}

fn plain(value: Any) -> Value {
    match value.value {
        Some(AnyValue::StringValue(text)) => text.into(),
        Some(AnyValue::BoolValue(is_so)) => is_so.into(),
        Some(AnyValue::IntValue(number)) => number.into(),
        Some(AnyValue::DoubleValue(number)) => number.into(),
        Some(AnyValue::ArrayValue(array)) => array.values.into_iter().map(plain).collect(),
        // We send none of the others.
        _ => Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    let mut text = String::new();
    for byte in bytes {
        write!(text, "{byte:02x}").expect("a string takes all that is written");
    }
    text
}

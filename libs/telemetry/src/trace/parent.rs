//! A span as others know it: W3C Trace Context.

use std::fmt;

use opentelemetry::Context;
use opentelemetry::trace::{SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState};

/// The version that we write; of later ones we read as much as we know.
const LONGEST_STATE: usize = 512;
const VERSION: &str = "00";

/// A span that others go on from. Written as the header `traceparent`, which also travels in events.
#[derive(Debug, Clone, PartialEq)]
pub struct Parent(SpanContext);

impl Parent {
    pub(super) fn of(span: &SpanContext) -> Self {
        Self(span.clone())
    }

    /// From the headers `traceparent` and, where there is one, `tracestate`; `None` if the first is not well-formed.
    pub fn read(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let (version, rest) = traceparent.split_once('-')?;
        let mut parts = rest.split('-');
        let mut part = |length: usize| parts.next().filter(|part| is_hex(part, length));
        let (trace, span, flags) = (part(32)?, part(16)?, part(2)?);
        if !is_hex(version, 2) || version == "ff" || (version == VERSION && parts.next().is_some()) {
            return None;
        }
        let flags = TraceFlags::new(u8::from_str_radix(flags, 16).ok()?) & TraceFlags::SAMPLED;
        // W3C asks for 512 characters to be handed on; more would lie in memory with each span.
        let state = tracestate.filter(|state| state.len() <= LONGEST_STATE);
        let state = state.and_then(|state| state.parse::<TraceState>().ok());
        let (trace, span) = (TraceId::from_hex(trace).ok()?, SpanId::from_hex(span).ok()?);
        let context = SpanContext::new(trace, span, flags, true, state.unwrap_or_default());
        context.is_valid().then_some(Self(context))
    }

    /// Whether its trace is recorded.
    pub fn is_recorded(&self) -> bool {
        self.0.is_sampled()
    }

    /// What other systems have added, if they have.
    pub fn tracestate(&self) -> Option<String> {
        Some(self.0.trace_state().header()).filter(|state| !state.is_empty())
    }

    /// For log lines.
    pub fn trace_id(&self) -> TraceId {
        self.0.trace_id()
    }

    /// For log lines.
    pub fn span_id(&self) -> SpanId {
        self.0.span_id()
    }

    pub(super) fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }
}

/// The header `traceparent`.
impl fmt::Display for Parent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.0.trace_flags() & TraceFlags::SAMPLED;
        write!(f, "{VERSION}-{}-{}-{flags:02x}", self.trace_id(), self.span_id())
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDS: &str = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7";

    fn read(text: &str) -> Option<Parent> {
        Parent::read(text, None)
    }

    #[test]
    fn what_is_well_formed_is_read() {
        let recorded = read(&format!("00-{IDS}-01")).unwrap();
        assert!(recorded.is_recorded());
        assert_eq!(recorded.to_string(), format!("00-{IDS}-01"));
        assert!(!read(&format!("00-{IDS}-00")).unwrap().is_recorded());
        let later = read(&format!("01-{IDS}-03-more")).unwrap();
        assert_eq!(later.to_string(), format!("00-{IDS}-01"));
        let bad = [
            String::new(),
            format!("ff-{IDS}-01"),
            format!("00-{IDS}-01-more"),
            format!("00-{IDS}"),
            format!("00-{IDS}-1"),
            format!("00-{IDS}-0g"),
            format!("00-{}-01", IDS.to_uppercase()),
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01".to_owned(),
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01".to_owned(),
            "anything".to_owned(),
        ];
        for bad in bad {
            assert_eq!(read(&bad), None, "{bad}");
        }
    }

    #[test]
    fn a_state_goes_along_and_a_broken_one_does_not() {
        let text = format!("00-{IDS}-01");
        let state = |state: &str| Parent::read(&text, Some(state)).unwrap().tracestate();
        assert_eq!(state("one=1,other=2").as_deref(), Some("one=1,other=2"));
        assert_eq!(state("no pairs here"), None);
        assert_eq!(state(""), None);
    }
}

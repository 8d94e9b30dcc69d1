//! A trace, to be looked at.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::SpanRecord;

const INFALLIBLE: &str = "a string takes all that is written";

/// Spans of one trace, by when they began.
#[derive(Debug, Clone)]
pub struct Trace {
    spans: Vec<SpanRecord>,
}

impl Trace {
    pub(super) fn of(mut spans: Vec<SpanRecord>) -> Self {
        spans.sort_by_key(|span| span.start_ns);
        Self { spans }
    }

    /// All its spans.
    pub fn spans(&self) -> &[SpanRecord] {
        &self.spans
    }

    /// Those of this name.
    pub fn named(&self, name: &str) -> Vec<&SpanRecord> {
        self.spans.iter().filter(|span| span.name == name).collect()
    }

    /// The only one of this name.
    pub fn the(&self, name: &str) -> &SpanRecord {
        match self.named(name)[..] {
            [only] => only,
            ref several => panic!("{} spans are named {name}, in\n{}", several.len(), self.as_text()),
        }
    }

    /// The names of what is directly below a span.
    pub fn below<'a>(&'a self, parent: &'a SpanRecord) -> BTreeSet<&'a str> {
        let children = self.children(Some(&parent.span_id));
        children.map(|span| span.name.as_str()).collect()
    }

    /// Spans whose parents are not here.
    pub fn orphans(&self) -> Vec<&SpanRecord> {
        let ids: BTreeSet<&str> = self.spans.iter().map(|span| span.span_id.as_str()).collect();
        let is_here = |parent: &String| ids.contains(parent.as_str());
        let orphans = self.spans.iter();
        orphans
            .filter(|span| span.parent_span_id.as_ref().is_some_and(|parent| !is_here(parent)))
            .collect()
    }

    /// As a tree.
    pub fn as_text(&self) -> String {
        let mut text = String::new();
        let began_ns = self.spans.first().map_or(0, |span| span.start_ns);
        let roots = self.children(None).chain(self.orphans());
        for root in roots {
            self.write(&mut text, root, 0, began_ns);
        }
        text
    }

    fn children<'a>(&'a self, parent: Option<&'a str>) -> impl Iterator<Item = &'a SpanRecord> {
        let is_child = move |span: &&SpanRecord| span.parent_span_id.as_deref() == parent;
        self.spans.iter().filter(is_child)
    }

    fn write(&self, text: &mut String, span: &SpanRecord, depth: usize, began_ns: u64) {
        let ms = |ns: u64| std::time::Duration::from_nanos(ns).as_secs_f64() * 1_000.0;
        let (from, took) = (
            ms(span.start_ns.saturating_sub(began_ns)),
            ms(span.end_ns.saturating_sub(span.start_ns)),
        );
        let failed = if span.is_error { " failed" } else { "" };
        let indent = "  ".repeat(depth);
        write!(
            text,
            "{from:9.2} ms {took:9.2} ms  {indent}{} [{} {}]{failed}",
            span.name, span.kind, span.service
        )
        .expect(INFALLIBLE);
        for (name, value) in &span.attributes {
            write!(text, " {name}={value}").expect(INFALLIBLE);
        }
        text.push('\n');
        for child in self.children(Some(&span.span_id)) {
            self.write(text, child, depth + 1, began_ns);
        }
    }
}

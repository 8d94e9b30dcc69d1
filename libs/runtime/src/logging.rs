//! The process's log, on standard error.
//!
//! A line that is written while a request is handled, or within a span that is recorded, says so: `request_id`, `trace_id`
//! and `span_id`.

use std::fmt;
use std::io::IsTerminal;

use telemetry::RequestId;
use telemetry::trace::{self, Parent};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

use crate::settings::{Log, LogFormat};

/// The filter is not one.
#[derive(Debug, thiserror::Error)]
#[error("`{filter}` is not a log filter: {reason}")]
pub struct InvalidFilter {
    filter: String,
    reason: String,
}

/// Keeps the log going. To be held until the process ends.
#[derive(Debug)]
#[must_use = "the log ends with its guard"]
pub struct LogGuard(());

/// Starts the log of this process. A second call changes nothing.
pub fn init_logging(log: &Log) -> Result<LogGuard, InvalidFilter> {
    let filter = parse_filter(&log.filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // Fails where a subscriber is installed already, as in tests that start several systems in one process.
    let _ = match log.format {
        LogFormat::Human => {
            let format = human().with_ansi(std::io::stderr().is_terminal());
            builder.event_format(WithIds::human(format)).finish().try_init()
        }
        LogFormat::Json => {
            let builder = builder.json();
            builder.event_format(WithIds::json(json())).finish().try_init()
        }
    };
    Ok(LogGuard(()))
}

/// What a library says at each start and end, and we say better. It says it to whoever names it in the filter.
const QUIET: &str = "actix_server=warn";

pub(crate) fn parse_filter(filter: &str) -> Result<EnvFilter, InvalidFilter> {
    EnvFilter::try_new(format!("{QUIET},{filter}")).map_err(|error| InvalidFilter {
        filter: filter.to_owned(),
        reason: error.to_string(),
    })
}

fn human() -> Format {
    Format::default()
}

fn json() -> Format<tracing_subscriber::fmt::format::Json> {
    Format::default().json().flatten_event(true)
}

/// Lines of another format, and at the end of each the ids of what it belongs to.
struct WithIds<F> {
    format: F,
    log_format: LogFormat,
}

impl<F> WithIds<F> {
    const fn human(format: F) -> Self {
        let log_format = LogFormat::Human;
        Self { format, log_format }
    }

    const fn json(format: F) -> Self {
        let log_format = LogFormat::Json;
        Self { format, log_format }
    }
}

impl<S, N, F> FormatEvent<S, N> for WithIds<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let (request, span) = (RequestId::current(), trace::current());
        if request.is_none() && span.is_none() {
            return self.format.format_event(context, writer, event);
        }
        let mut line = String::new();
        self.format.format_event(context, Writer::new(&mut line), event)?;
        let (line, end) = match self.log_format {
            LogFormat::Human => (line.trim_end(), ""),
            LogFormat::Json => (line.trim_end().strip_suffix('}').unwrap_or_default(), "}"),
        };
        writer.write_str(line)?;
        for (name, id) in ids(request, span) {
            // All of them are letters and digits: nothing needs to be escaped.
            match self.log_format {
                LogFormat::Human => write!(writer, " {name}={id}")?,
                LogFormat::Json => write!(writer, ",\"{name}\":\"{id}\"")?,
            }
        }
        writeln!(writer, "{end}")
    }
}

fn ids(request: Option<RequestId>, span: Option<Parent>) -> impl Iterator<Item = (&'static str, String)> {
    let request = request.map(|id| ("request_id", id.to_string()));
    let span = span.map(|span| {
        [
            ("trace_id", span.trace_id().to_string()),
            ("span_id", span.span_id().to_string()),
        ]
    });
    request.into_iter().chain(span.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, some: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(some);
            Ok(some.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Written {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    /// What two lines look like, of which the second is a request's.
    async fn two_lines(format: LogFormat) -> Vec<String> {
        let written = Written::default();
        let builder = tracing_subscriber::fmt().with_writer(written.clone());
        let log: Box<dyn Subscriber + Send + Sync> = match format {
            LogFormat::Human => Box::new(builder.event_format(WithIds::human(human().with_ansi(false))).finish()),
            LogFormat::Json => Box::new(builder.json().event_format(WithIds::json(json())).finish()),
        };
        let _log = tracing::subscriber::set_default(log);
        tracing::info!(kind = "\"first\"", "nobody's");
        let id = RequestId::given(b"from-a-client").unwrap();
        id.cover(async { tracing::warn!(kind = "second", "a request's") }).await;
        let written = written.0.lock().unwrap().clone();
        String::from_utf8(written).unwrap().lines().map(str::to_owned).collect()
    }

    #[tokio::test]
    async fn a_line_for_people_ends_in_the_ids() {
        let lines = two_lines(LogFormat::Human).await;
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines[0].ends_with("nobody's kind=\"\\\"first\\\"\""), "{lines:?}");
        assert!(
            lines[1].ends_with("a request's kind=\"second\" request_id=from-a-client"),
            "{lines:?}"
        );
    }

    #[tokio::test]
    async fn a_line_of_json_holds_the_ids() {
        let lines = two_lines(LogFormat::Json).await;
        let parsed: Vec<serde_json::Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(parsed[0]["kind"], "\"first\"");
        assert!(parsed[0].get("request_id").is_none());
        assert_eq!(parsed[1]["request_id"], "from-a-client");
        assert_eq!(
            (&parsed[1]["message"], &parsed[1]["level"]),
            (&"a request's".into(), &"WARN".into())
        );
    }

    #[test]
    fn a_library_that_tells_little_is_quiet_unless_it_is_named() {
        let shown = |filter: &str| parse_filter(filter).unwrap().to_string();
        assert!(shown("info").contains(QUIET));
        let named = shown("warn,actix_server=debug");
        assert!(
            named.contains("actix_server=debug") && !named.contains(QUIET),
            "{named}"
        );
        assert!(parse_filter("fan_out=loud").is_err());
    }
}

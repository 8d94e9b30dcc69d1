//! The traces of a process, from its start until the last of them is sent.

use runtime::exit;
use runtime::settings::Otlp;
use telemetry::trace::{self, Exporting, TraceOptions};
use tokio::runtime::Runtime;

use crate::Failure;
use crate::process::FLUSH_TRACES;

/// Sends the last spans when it is dropped: whatever the process ends of, be it a panic.
pub(crate) struct Traces<'a> {
    exporting: Option<Exporting>,
    threads: &'a Runtime,
}

impl<'a> Traces<'a> {
    /// Sends none where there is no endpoint.
    pub(crate) fn start(program: &str, otlp: &Otlp, threads: &'a Runtime) -> Result<Self, Failure> {
        let options = otlp.endpoint.clone().map(|endpoint| TraceOptions {
            service: program.to_owned(),
            version: env!("CARGO_PKG_VERSION"),
            endpoint,
            sample_ratio: otlp.sample_ratio,
        });
        let _within = threads.enter();
        let exporting = options.as_ref().map(trace::start).transpose();
        Ok(Self {
            exporting: exporting.map_err(Failure::with(exit::SOFTWARE))?,
            threads,
        })
    }
}

impl Drop for Traces<'_> {
    fn drop(&mut self) {
        if let Some(exporting) = self.exporting.take() {
            self.threads.block_on(exporting.flush(FLUSH_TRACES));
        }
    }
}

//! Gauges that are read when somebody asks.

use std::fmt;
use std::sync::Arc;

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::{MetricType, TypedMetric};

/// What is read: a value for each value of the label.
type Read = dyn Fn() -> Vec<(&'static str, usize)> + Send + Sync;

/// A gauge, or gauges of one name that are told apart by one label: what something is like at the moment.
#[derive(Clone)]
pub struct Gauges {
    label: Option<&'static str>,
    read: Arc<Read>,
}

impl Gauges {
    /// `read` is called for each rendering; it must not wait.
    pub fn new(label: &'static str, read: impl Fn() -> Vec<(&'static str, usize)> + Send + Sync + 'static) -> Self {
        Self {
            label: Some(label),
            read: Arc::new(read),
        }
    }

    /// A single one.
    pub fn one(read: impl Fn() -> usize + Send + Sync + 'static) -> Self {
        Self {
            label: None,
            read: Arc::new(move || vec![("", read())]),
        }
    }
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges")
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

impl EncodeMetric for Gauges {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        for (state, value) in (self.read)() {
            let value = i64::try_from(value).unwrap_or(i64::MAX);
            match self.label {
                Some(label) => encoder.encode_family(&[(label, state)])?.encode_gauge(&value)?,
                None => encoder.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

impl TypedMetric for Gauges {
    const TYPE: MetricType = MetricType::Gauge;
}

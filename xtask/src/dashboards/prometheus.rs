//! What Prometheus answers.

use std::path::PathBuf;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::panel::Target;

/// Points of a series at most.
const POINTS: u64 = 240;

/// A Prometheus, and of whom and when it is asked.
pub(super) struct Prometheus {
    /// The program that asks.
    pub(super) curl: PathBuf,
    pub(super) url: String,
    pub(super) job: String,
    pub(super) period: Period,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Period {
    /// Seconds since 1970.
    pub(super) begin: u64,
    /// Seconds since 1970.
    pub(super) end: u64,
    /// Seconds between two points.
    pub(super) step: u64,
}

impl Period {
    /// The last minutes, until now.
    pub(super) fn last(minutes: u32) -> Result<Self> {
        let seconds = u64::from(minutes) * 60;
        let end = now()?;
        Ok(Self {
            begin: end.saturating_sub(seconds),
            end,
            step: (seconds / POINTS).max(1),
        })
    }
}

/// Values over time.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) name: String,
    /// Seconds since 1970, and a value that is one: not NaN.
    pub(super) points: Vec<(f64, f64)>,
}

impl Prometheus {
    /// What a query's values have been.
    pub(super) fn range(&self, target: &Target) -> Result<Vec<Series>> {
        let Period { begin, end, step } = self.period;
        // Grafana's: four times the interval of scrapes, and no less than what lies between two points.
        let window = format!("{}s", (4 * 5).max(step));
        let expression = target.expression.replace("$__rate_interval", &window);
        let expression = expression.replace("$job", &self.job).replace("$service", ".+");
        let output = Command::new(&self.curl)
            .args(["--silent", "--show-error", "--max-time", "30", "--get"])
            .arg(format!("{}/api/v1/query_range", self.url))
            .args(["--data-urlencode", &format!("query={expression}")])
            .args(["--data-urlencode", &format!("start={begin}")])
            .args(["--data-urlencode", &format!("end={end}")])
            .args(["--data-urlencode", &format!("step={step}")])
            .output()
            .context("curl")?;
        if !output.status.success() {
            bail!("{}: {}", self.url, String::from_utf8_lossy(&output.stderr).trim());
        }
        let answer: Value = serde_json::from_slice(&output.stdout).context("Prometheus answers something else")?;
        if answer["status"] != "success" {
            bail!("{expression}: {answer}");
        }
        let series = answer["data"]["result"]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default();
        Ok(series.iter().map(|json| series_of(json, &target.legend)).collect())
    }
}

#[expect(clippy::disallowed_methods, reason = "Prometheus wants to know until when")]
fn now() -> Result<u64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.context("it is before 1970")?.as_secs())
}

fn series_of(json: &Value, legend: &str) -> Series {
    let point = |pair: &Value| {
        let value: f64 = pair[1].as_str()?.parse().ok()?;
        Some((pair[0].as_f64()?, value)).filter(|_| value.is_finite())
    };
    let points = json["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    Series {
        name: named(legend, &json["metric"]),
        points: points.iter().filter_map(point).collect(),
    }
}

/// A legend with the values of labels.
fn named(legend: &str, labels: &Value) -> String {
    let mut parts = legend.split("{{");
    let first = parts.next().unwrap_or_default().to_owned();
    let name = parts.fold(first, |name, part| {
        let (label, rest) = part.split_once("}}").unwrap_or((part, ""));
        name + labels[label.trim()].as_str().unwrap_or_default() + rest
    });
    name.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_series_is_named_by_its_labels_and_has_numbers_only() {
        let answered = json!({"metric": {"version": "1.2.3"}, "values": [[1, "0.5"], [2, "NaN"], [3, "2"]]});
        let series = series_of(&answered, "{{version}} {{track}}");
        let expected = Series {
            name: "1.2.3".to_owned(),
            points: vec![(1.0, 0.5), (3.0, 2.0)],
        };
        assert_eq!(series, expected);
    }
}

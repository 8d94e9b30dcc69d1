//! What of a panel's JSON is needed to draw it.

use serde_json::Value;

/// A panel that shows something.
pub(super) struct Panel {
    pub(super) title: String,
    /// As Grafana calls it: `s`, `percentunit`, …
    pub(super) unit: String,
    /// Column, line, width and height in the grid.
    pub(super) place: [u32; 4],
    pub(super) targets: Vec<Target>,
}

/// A query of a panel.
pub(super) struct Target {
    pub(super) expression: String,
    /// What its series are called: `{{label}}` stands for a label's value.
    pub(super) legend: String,
}

impl Panel {
    /// Nothing of what shows nothing, such as the title of a row.
    pub(super) fn read(json: &Value) -> Option<Self> {
        let number = |key: &str| json["gridPos"][key].as_u64().and_then(|number| number.try_into().ok());
        let target = |json: &Value| {
            Some(Target {
                expression: json["expr"].as_str()?.to_owned(),
                legend: json["legendFormat"].as_str()?.to_owned(),
            })
        };
        Some(Self {
            title: json["title"].as_str()?.to_owned(),
            unit: json["fieldConfig"]["defaults"]["unit"].as_str()?.to_owned(),
            place: [number("x")?, number("y")?, number("w")?, number("h")?],
            targets: json["targets"].as_array()?.iter().filter_map(target).collect(),
        })
    }

    /// A value in its unit.
    pub(super) fn in_unit(&self, value: f64) -> String {
        match self.unit.as_str() {
            "percentunit" => format!("{:.1} %", value * 100.0),
            "s" if value < 1.0 => format!("{:.0} ms", value * 1_000.0),
            "s" => format!("{value:.1} s"),
            _ if value >= 1_000_000.0 => format!("{:.1} M", value / 1_000_000.0),
            _ if value >= 10_000.0 => format!("{:.0} k", value / 1_000.0),
            _ if value >= 100.0 => format!("{value:.0}"),
            _ => format!("{value:.1}"),
        }
    }
}

//! Whether the dashboards are uniform, and ask for what there is. The rules are those of Grafana's dashboard-linter, and
//! some of our own; whether each query has data is for `load-tests/tests/stack/dashboards.rs` to see.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use super::folder;
use crate::cargo::workspace_root;

/// Grafana takes a later version's file only by halves; all of ours are of this one.
const SCHEMA_VERSION: u64 = 39;
const COLUMNS: u64 = 24;
/// Whose data: chosen in the dashboard.
const DATA_SOURCE: &str = "${datasource}";
/// Windows of rates: one that fits the interval of scrapes, and the hour that rare things are counted over.
const WINDOWS: [&str; 2] = ["[$__rate_interval]", "[1h]"];
/// What a series of a histogram or a counter ends in.
const GROWING: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// A dashboard by the name of its file.
struct Dashboard {
    name: String,
    json: Value,
}

fn dashboards() -> Vec<Dashboard> {
    let files = fs::read_dir(folder()).unwrap();
    let dashboards = files.map(|file| {
        let path = file.unwrap().path();
        let json = serde_json::from_slice(&fs::read(&path).unwrap());
        Dashboard {
            name: path.file_stem().unwrap().to_str().unwrap().to_owned(),
            json: json.unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        }
    });
    let dashboards: Vec<Dashboard> = dashboards.collect();
    assert!(!dashboards.is_empty());
    dashboards
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// A text that must be there, and say something.
fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    let text = value[key].as_str().unwrap_or_default();
    assert!(!text.is_empty(), "no {key} in {value:#}");
    text
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("no {key} in {value:#}"))
}

impl Dashboard {
    /// What shows something: no rows.
    fn panels(&self) -> impl Iterator<Item = &Value> {
        list(&self.json, "panels").iter().filter(|panel| panel["type"] != "row")
    }

    /// Every expression, with its panel.
    fn expressions(&self) -> impl Iterator<Item = (String, &str)> {
        self.panels().flat_map(|panel| {
            let place = format!("{}, {}", self.name, text(panel, "title"));
            let targets = list(panel, "targets").iter();
            targets.map(move |target| (place.clone(), text(target, "expr")))
        })
    }
}

/// The metrics and recorded series of an expression, each with what stands before and after it.
fn series(expression: &str) -> Vec<(&str, &str, &str)> {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let mut found = Vec::new();
    let mut position = 0;
    while let Some(start) = expression[position..].find(is_of_name).map(|start| position + start) {
        let length = expression[start..].find(|c| !is_of_name(c));
        let end = length.map_or(expression.len(), |length| start + length);
        let name = &expression[start..end];
        if ["rookery_", "rookery:", "http_server_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
        {
            found.push((&expression[..start], name, &expression[end..]));
        }
        position = end;
    }
    found
}

#[test]
fn they_are_alike() {
    let mut uids = BTreeSet::new();
    for Dashboard { name, json } in dashboards() {
        assert_eq!(text(&json, "uid"), format!("rookery-{name}"));
        assert!(uids.insert(text(&json, "uid").to_owned()));
        assert!(text(&json, "title").starts_with("Rookery / ") && !text(&json, "description").is_empty());
        assert_eq!(number(&json, "schemaVersion"), SCHEMA_VERSION);
        assert_eq!(
            (&json["editable"], &json["tags"][0]),
            (&Value::Bool(false), &Value::from("rookery"))
        );
        let variables = list(&json["templating"], "list");
        let names: Vec<&str> = variables.iter().map(|variable| text(variable, "name")).collect();
        assert!(names.starts_with(&["datasource", "job"]), "{name}: {names:?}");
        assert_eq!(variables[0]["type"], "datasource");
        for variable in &variables[1..] {
            assert_eq!(variable["datasource"]["uid"], DATA_SOURCE, "{name}: {variable:#}");
            // Values come and go with releases and rollouts: looked up again when the range of time changes.
            assert_eq!(variable["refresh"], 2, "{name}: {variable:#}");
        }
    }
}

#[test]
fn every_panel_says_what_it_shows_and_in_which_unit() {
    for dashboard in dashboards() {
        let mut titles = BTreeSet::new();
        for panel in dashboard.panels() {
            let place = format!("{}, {}", dashboard.name, text(panel, "title"));
            assert!(titles.insert(text(panel, "title")), "{place}: twice");
            assert!(text(panel, "description").ends_with('.'), "{place}");
            text(&panel["fieldConfig"]["defaults"], "unit");
            assert_eq!(panel["datasource"]["uid"], DATA_SOURCE, "{place}");
            assert!(
                panel["type"] == "stat" || panel["options"]["legend"].is_object(),
                "{place}: no legend"
            );
            let targets = list(panel, "targets");
            let names: BTreeSet<&str> = targets.iter().map(|target| text(target, "refId")).collect();
            assert!(
                !targets.is_empty() && names.len() == targets.len(),
                "{place}: {names:?}"
            );
            for target in targets {
                text(target, "legendFormat");
                assert!(
                    target["datasource"].is_null(),
                    "{place}: the panel names the data source"
                );
            }
        }
    }
}

#[test]
fn panels_have_ids_and_places_of_their_own() {
    for dashboard in dashboards() {
        let (mut ids, mut taken) = (BTreeSet::new(), BTreeSet::new());
        for panel in list(&dashboard.json, "panels") {
            let place = format!("{}, {}", dashboard.name, text(panel, "title"));
            assert!(ids.insert(number(panel, "id")), "{place}: the id is another's");
            let [x, y, w, h] = ["x", "y", "w", "h"].map(|key| number(&panel["gridPos"], key));
            assert!(w > 0 && h > 0 && x + w <= COLUMNS, "{place}: outside of the grid");
            for square in (x..x + w).flat_map(|column| (y..y + h).map(move |line| (column, line))) {
                assert!(taken.insert(square), "{place}: over another at {square:?}");
            }
        }
    }
}

#[test]
fn they_ask_for_metrics_that_there_are() {
    let page = fs::read_to_string(workspace_root().join("docs/metrics.md")).unwrap();
    let alerts = fs::read_to_string(workspace_root().join("monitoring/alerts.yaml")).unwrap();
    for dashboard in dashboards() {
        for (place, expression) in dashboard.expressions() {
            let series = series(expression);
            assert!(!series.is_empty(), "{place}: {expression}");
            for (_, name, _) in series {
                let metric = ["_bucket", "_count", "_sum"]
                    .iter()
                    .find_map(|end| name.strip_suffix(end));
                let is_there = [Some(name), metric]
                    .iter()
                    .flatten()
                    .any(|name| page.contains(&format!("| `{name}` |")));
                let is_recorded = alerts.contains(&format!("record: {name}\n"));
                assert!(is_there || is_recorded, "{place}: {name}");
            }
        }
    }
}

#[test]
fn they_ask_for_one_release_and_only_for_rates_of_what_grows() {
    for dashboard in dashboards() {
        for (place, expression) in dashboard.expressions() {
            for (before, name, after) in series(expression) {
                if name.starts_with("rookery:") {
                    continue;
                }
                assert!(after.starts_with(r#"{job="$job""#), "{place}: {name} of all releases");
                let grows = GROWING.iter().any(|end| name.ends_with(end));
                let is_rate = before.ends_with("rate(") || before.ends_with("increase(");
                assert_eq!(grows, is_rate, "{place}: {name}");
                let window = after.split_once('}').map(|(_, rest)| rest).unwrap_or_default();
                let has_window = WINDOWS.iter().any(|known| window.starts_with(known));
                assert_eq!(is_rate, has_window, "{place}: {name} over {window}");
            }
        }
    }
}

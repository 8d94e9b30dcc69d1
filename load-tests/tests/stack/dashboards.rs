//! Every query of every dashboard and every alert, put to a Prometheus that scrapes a stack under load.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::future::pending;
use std::path::Path;
use std::time::{Duration, Instant};

use load_tests::ledger::{Ledger, LedgerOptions};
use reqwest::{Method, Url};
use serde_json::Value;
use test_support::{Client, PROMETHEUS, Request, System};

use crate::support::{Person, TestStack, follow, person, post};

/// What is rightly without data while all is well, with the reason.
const EMPTY_AT_REST: [(&str, &str); 0] = [];
/// Labels that only some have: `track`, where there is a canary.
const NOT_EVERYWHERE: [&str; 1] = ["track"];
/// What Grafana would put in.
const VARIABLES: [(&str, &str); 3] = [("$__rate_interval", "30s"), ("$job", "rookery"), ("$service", ".+")];

/// Followers of an author who is pushed in chunks, and of one who is pulled.
const CHUNKED: u64 = 21_000;
const PULLED: u64 = 31_000;
const SETTINGS: [(&str, &str); 2] = [
    ("ROOKERY__TIMELINE__PULL_THRESHOLD", "30000"),
    ("ROOKERY__TIMELINE__PUSH_THRESHOLD", "25000"),
];
const LOAD: LedgerOptions = LedgerOptions {
    accounts: 8,
    follows: 3,
    posts_per_second: 4.0,
    reads_per_second: 8.0,
    seed: 1,
};
const PATIENCE: Duration = Duration::from_mins(3);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A query, and what it must answer.
struct Query {
    /// Dashboard and panel, or rule.
    place: String,
    expression: String,
    /// Labels that the legend names.
    labels: BTreeSet<String>,
}

impl fmt::Display for Query {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.expression)
    }
}

/// With the values of variables.
fn filled_in(text: &str) -> String {
    let put_in = |text: String, (name, value): &(&str, &str)| text.replace(name, value);
    let text = VARIABLES.iter().fold(text.to_owned(), put_in);
    assert!(!text.contains('$'), "there is no such variable: {text}");
    text
}

/// `instance` and `version` of `{{instance}} ({{version}})`.
fn labels(legend: &str) -> BTreeSet<String> {
    let parts = legend.split("{{").skip(1);
    let names = parts.filter_map(|rest| Some(rest.split_once("}}")?.0.trim()));
    names
        .filter(|name| !NOT_EVERYWHERE.contains(name))
        .map(str::to_owned)
        .collect()
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}"))
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// What panels and variables of all dashboards ask.
fn of_dashboards() -> Vec<Query> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../monitoring/dashboards");
    let files = fs::read_dir(folder)
        .unwrap()
        .map(|file| fs::read(file.unwrap().path()).unwrap());
    let dashboards = files.map(|content| serde_json::from_slice::<Value>(&content).unwrap());
    dashboards.flat_map(|dashboard| of_dashboard(&dashboard)).collect()
}

fn of_dashboard(dashboard: &Value) -> Vec<Query> {
    let title = text(dashboard, "title");
    let panels = list(dashboard, "panels").iter().flat_map(|panel| {
        list(panel, "targets").iter().map(move |target| Query {
            place: format!("{title}, {}", text(panel, "title")),
            expression: filled_in(text(target, "expr")),
            labels: labels(text(target, "legendFormat")),
        })
    });
    let variables = list(&dashboard["templating"], "list").iter();
    let variables = variables
        .filter(|variable| variable["type"] == "query")
        .map(|variable| {
            let query = filled_in(text(&variable["query"], "query"));
            let arguments = query
                .strip_prefix("label_values(")
                .and_then(|rest| rest.strip_suffix(')'));
            let (series, label) = arguments.and_then(|both| both.rsplit_once(", ")).unwrap();
            Query {
                place: format!("{title}, ${}", text(variable, "name")),
                expression: format!("count by ({label}) ({series})"),
                labels: BTreeSet::from([label.to_owned()]),
            }
        });
    panels.chain(variables).collect()
}

/// The rules that Prometheus has loaded, once it has evaluated all of them. An alert asks whether something is beyond a bound:
/// while all is well that is empty, and what it compares is not.
async fn of_rules(prometheus: &Url) -> Vec<Query> {
    let begun = Instant::now();
    loop {
        let loaded = get(prometheus, "/api/v1/rules", &[]).await;
        let rules: Vec<&Value> = list(&loaded, "groups")
            .iter()
            .flat_map(|group| list(group, "rules"))
            .collect();
        if !rules.is_empty() && rules.iter().all(|rule| rule["health"] == "ok") {
            return rules.into_iter().flat_map(of_rule).collect();
        }
        assert!(begun.elapsed() < PATIENCE, "a rule cannot be evaluated: {loaded:#}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn of_rule(rule: &Value) -> Vec<Query> {
    let compared = text(rule, "query")
        .split(" and ")
        .map(|side| match rule["type"].as_str() {
            Some("alerting") => {
                side.split_once(" > ")
                    .unwrap_or_else(|| panic!("{side} has no bound"))
                    .0
            }
            _ => side,
        });
    let query = |expression: &str| Query {
        place: format!("rule {}", text(rule, "name")),
        expression: expression.to_owned(),
        labels: BTreeSet::new(),
    };
    compared.map(query).collect()
}

/// `data` of what Prometheus answers; an error is the query's fault.
async fn get(prometheus: &Url, path: &str, parameters: &[(&str, &str)]) -> Value {
    let mut url = prometheus.join(path).unwrap();
    url.query_pairs_mut().extend_pairs(parameters);
    let answer = reqwest::get(url).await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    assert_eq!(answer["status"], "success", "{parameters:?}: {answer}");
    answer["data"].clone()
}

/// What is still missing of an answer; `None` if it is there: a number, and each label of the legend somewhere.
async fn lacks(prometheus: &Url, query: &Query) -> Option<String> {
    let data = get(prometheus, "/api/v1/query", &[("query", &query.expression)]).await;
    let series = list(&data, "result");
    let is_number = |one: &Value| one["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
    if !series.iter().filter_map(is_number).any(f64::is_finite) {
        return Some(format!("{} series without a number", series.len()));
    }
    let has = |label: &String| {
        series
            .iter()
            .any(|one| one["metric"][label].as_str().is_some_and(|text| !text.is_empty()))
    };
    query
        .labels
        .iter()
        .find(|label| !has(label))
        .map(|label| format!("no label {label}"))
}

/// Asks until each has answered with data.
async fn ask_all(prometheus: &Url, mut queries: Vec<Query>) {
    let begun = Instant::now();
    let mut reasons = Vec::new();
    while !queries.is_empty() {
        let mut lacking = Vec::new();
        reasons.clear();
        for query in queries {
            if let Some(reason) = lacks(prometheus, &query).await {
                reasons.push(format!("{query}: {reason}"));
                lacking.push(query);
            }
        }
        queries = lacking;
        if begun.elapsed() > PATIENCE {
            break;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    let is_expected = |query: &&Query| EMPTY_AT_REST.iter().any(|(place, _)| *place == query.place);
    assert!(queries.iter().all(|query| is_expected(&query)), "{reasons:#?}");
}

/// Authors that ids 1 and 2 belong to, with their followers, and somebody who reads both.
async fn huge_authors(running: &TestStack) -> [Person; 3] {
    let graph = running.stack.part("follow-graph", 0);
    let file = running.folder().join("graph");
    let chunked = (3..3 + CHUNKED).map(|follower| format!("{follower} 1"));
    let pulled = (3..3 + PULLED).map(|follower| format!("{follower} 2"));
    fs::write(&file, chunked.chain(pulled).collect::<Vec<_>>().join("\n")).unwrap();
    let imported = graph.command().arg("import-graph").arg(&file).output().unwrap();
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stderr)
    );
    let author = |number: u64| {
        let handle = format!("u{number}");
        let output = graph.command().args(["token", "--handle", &handle]).output().unwrap();
        let token = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Person {
            id: model::UserId::new(number),
            token,
        }
    };
    let client = Client::new(running.stack.public());
    let (chunked, pulled, reader) = (author(1), author(2), person(&client, "reader").await);
    follow(&client, &reader, &chunked).await;
    follow(&client, &reader, &pulled).await;
    [chunked, pulled, reader]
}

/// Tweets of the huge authors, and reads of them, without an end.
async fn huge_load(running: &TestStack, [chunked, pulled, reader]: &[Person; 3]) {
    let client = Client::new(running.stack.public());
    for number in 0.. {
        for (author, kind) in [(chunked, "chunked"), (pulled, "pulled")] {
            post(&client, author, &format!("{kind}-{number}")).await;
        }
        let home = Request::new(Method::GET, "/v1/timelines/home").token(Some(&reader.token));
        running.stack.public().send(home).await.unwrap().expect(200).unwrap();
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

/// Waits until a tweet's trace is in the file, from the post to its delivery.
async fn traced(running: &TestStack, tweet: &str) {
    let begun = Instant::now();
    loop {
        let file = fs::read_to_string(running.folder().join("stack/spans.jsonl")).unwrap();
        // The last line may be half written.
        let spans: Vec<Value> = file
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let of_tweet = |span: &&Value| span["attributes"]["rookery.tweet.id"] == tweet;
        let trace = spans.iter().find(of_tweet).map(|span| &span["trace_id"]);
        let names: BTreeSet<&str> = spans
            .iter()
            .filter(|span| Some(&span["trace_id"]) == trace)
            .map(|span| text(span, "name"))
            .collect();
        if ["POST /v1/tweets", "publish event", "deliver tweet"]
            .iter()
            .all(|name| names.contains(name))
        {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "there is only {names:?}");
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_query_of_dashboards_and_alerts_has_data() {
    let Some(running) = TestStack::up(&["--strategy", "hybrid", "--observe"], &SETTINGS).await else {
        return;
    };
    let prometheus = Url::parse(running.stack.part(PROMETHEUS, 0).internal_url()).unwrap();
    let huge = huge_authors(&running).await;
    let ledger = Ledger::prepare(running.stack.public(), LOAD).await.unwrap();
    let load = async {
        let posts_and_reads = async {
            ledger.run(PATIENCE * 3).await.unwrap();
            pending::<()>().await;
        };
        tokio::join!(posts_and_reads, huge_load(&running, &huge));
    };
    let questions = async {
        let replicas = Query {
            place: "replicas".to_owned(),
            expression: "count by (service, version) (up{job=\"rookery\", instance=~\".+-[01]\"} == 1) == 2".to_owned(),
            labels: ["service", "version"].map(str::to_owned).into(),
        };
        let rules = of_rules(&prometheus).await;
        let queries: Vec<Query> = of_dashboards().into_iter().chain(rules).chain([replicas]).collect();
        println!("queries: {}", queries.len());
        ask_all(&prometheus, queries).await;
        let tweet = ledger.tweets().first().unwrap().to_string();
        traced(&running, &tweet).await;
    };
    tokio::select! {
        () = questions => {}
        () = load => unreachable!("it has no end"),
    }
}

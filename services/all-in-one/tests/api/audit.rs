//! Audits while everything changes at once: there is always something under way, and never a difference.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use rand::RngExt;
use reqwest::Method;
use serde_json::json;
use test_support::{PageQuery, Request};

use crate::app::{Account, App};

const PEOPLE: usize = 12;

/// How long it goes on.
const LASTS: Duration = Duration::from_secs(8);

fn anybody(people: &[Account]) -> &Account {
    &people[rand::rng().random_range(0..people.len())]
}

/// Somebody does something; refusals are part of it.
async fn act(app: &App, people: &[Account], posted: &parking_lot::Mutex<Vec<(Account, String)>>) {
    let (one, other) = (anybody(people), anybody(people));
    let edge = format!("/v1/users/me/following/{}", other.id);
    match rand::rng().random_range(0..20) {
        0..3 => _ = app.put(&edge, &one.token).await,
        3..5 => _ = app.delete(&edge, &one.token).await,
        5..12 => {
            let tweet = app
                .post_json("/v1/tweets", Some(&one.token), json!({"text": "t"}))
                .await;
            if let Some(id) = tweet.body["id"].as_str() {
                posted.lock().push((one.clone(), id.to_owned()));
            }
        }
        12..14 => {
            let tweet = posted.lock().pop();
            if let Some((author, id)) = tweet {
                app.delete(&format!("/v1/tweets/{id}"), &author.token).await;
            }
        }
        _ => _ = app.home(one, &PageQuery::limit(5)).await,
    }
}

/// The rules go to and fro: everybody and single authors cross, up and down.
async fn cross(app: &App) {
    let rules = [
        ("hybrid", 4, 3),
        ("push", 4, 3),
        ("hybrid", 8, 7),
        ("pull", 4, 3),
        ("hybrid", 3, 2),
    ];
    let (strategy, pull, push) = rules[rand::rng().random_range(0..rules.len())];
    let body = json!({"strategy": strategy, "pull_threshold": pull, "push_threshold": push});
    let request = Request::new(Method::PUT, "/admin/delivery").body(body);
    app.operators()
        .send(request)
        .await
        .expect("an answer")
        .expect(200)
        .expect("the rules");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_goes_on_an_audit_finds_no_difference() {
    let settings = [
        ("ROOKERY__TIMELINE__WINDOW", "20"),
        ("ROOKERY__TIMELINE__CROSSING_SETTLE_MS", "100"),
        ("ROOKERY__TIMELINE__CROSSING_MARGIN_MS", "100"),
    ];
    let app = App::with(&settings).await;
    let mut people = Vec::new();
    for number in 0..PEOPLE {
        people.push(app.account(&format!("p{number}")).await);
    }
    let (over, posted) = (AtomicBool::new(false), parking_lot::Mutex::new(Vec::new()));
    let acting = join_all((0..4).map(async |_| {
        while !over.load(Ordering::Relaxed) {
            act(&app, &people, &posted).await;
        }
    }));
    let crossing = async {
        while !over.load(Ordering::Relaxed) {
            cross(&app).await;
            tokio::time::sleep(Duration::from_millis(400)).await;
        }
    };
    let auditing = async {
        let (begun, operators, mut compared) = (Instant::now(), app.operators(), 0);
        while begun.elapsed() < LASTS || compared == 0 {
            assert!(begun.elapsed() < LASTS * 8, "no timeline is ever stored");
            let request = Request::new(Method::POST, "/admin/audit").body(json!({"users": 1_000}));
            let report = operators
                .send(request)
                .await
                .expect("an answer")
                .expect(200)
                .expect("a report")
                .body;
            let differences = json!([report["missing"], report["extra"], report["repaired"]]);
            assert_eq!(differences, json!([0, 0, 0]), "{}", log(&app));
            compared += report["compared"].as_u64().unwrap();
        }
        over.store(true, Ordering::Relaxed);
    };
    tokio::join!(acting, crossing, auditing);
}

/// What the log says of differences.
fn log(app: &App) -> String {
    let log = std::fs::read_to_string(app.process.log()).unwrap_or_default();
    log.lines()
        .filter(|line| line.contains("timeline"))
        .collect::<Vec<_>>()
        .join("\n")
}

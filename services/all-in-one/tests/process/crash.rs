use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::rookery::{Place, Rookery, run, text};

/// Far longer than there is between two looks at the books.
const CLOSED_WITHIN: Duration = Duration::from_mins(1);

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let place = Place::new();
    let (mut expected, mut tokens) = (Vec::new(), None);
    for round in 0..3 {
        let rookery = place.start();
        let (ada, bob) = tokens.get_or_insert_with(|| {
            let ((ada_id, ada), (_, bob)) = (rookery.sign_up("ada"), rookery.sign_up("bob"));
            rookery.ask("PUT", &format!("/v1/users/me/following/{ada_id}"), Some(&bob), None);
            (ada, bob)
        });
        assert_eq!(rookery.home(bob), expected, "round {round}");
        for number in 0..5 {
            let posted = rookery.ask(
                "POST",
                "/v1/tweets",
                Some(ada),
                Some(&json!({"text": format!("{round}.{number}")})),
            );
            expected.insert(0, text(&posted["text"]));
        }
        rookery.kill_9();
    }
    let rookery = place.start();
    let (ada, bob) = tokens.unwrap();
    assert_eq!(rookery.home(&bob), expected);
    assert_eq!(rookery.home(&ada), expected);
    assert_eq!(
        rookery.ask("GET", "/v1/users/me", Some(&bob), None)["following_count"],
        1
    );
    the_books_agree(&rookery, expected.len());
}

/// As many tweets were accepted and done, and nothing is missing, however often the process was killed in between.
fn the_books_agree(rookery: &Rookery, tweets: usize) {
    let begun = Instant::now();
    loop {
        let mut curl = Command::new("curl");
        let metrics = run(curl.args(["-sS", &format!("{}/metrics", rookery.internal_url())])).succeeded();
        let says = |what: &str, value: usize| {
            metrics
                .lines()
                .any(|line| line == format!("rookery_books_{what} {value}"))
        };
        if says("tweets_total{figure=\"accepted\"}", tweets) {
            for (what, value) in [
                ("tweets_total{figure=\"done\"}", tweets),
                ("deliveries_total{figure=\"expected\"}", tweets),
                ("difference_total{book=\"tweets\"}", 0),
                ("difference_total{book=\"deliveries\"}", 0),
            ] {
                assert!(says(what, value), "not {what} {value} in\n{metrics}");
            }
            return;
        }
        assert!(begun.elapsed() < CLOSED_WITHIN, "the books lack tweets:\n{metrics}");
        thread::sleep(Duration::from_millis(100));
    }
}

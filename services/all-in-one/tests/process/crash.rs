use serde_json::json;

use crate::rookery::{Place, text};

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
}

use std::collections::BTreeSet;
use std::fs;

use crate::rookery::Place;

#[test]
fn ctrl_c_ends_it_and_leaves_nothing_but_the_data() {
    let place = Place::new();
    let rookery = place.start();
    let (_, token) = rookery.sign_up("ada");
    let tweet = serde_json::json!({"text": "before the end"});
    rookery.ask("POST", "/v1/tweets", Some(&token), Some(&tweet));
    rookery.interrupt();
    assert_eq!(rookery.wait().code(), Some(0));
    let left: BTreeSet<_> = fs::read_dir(place.data())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    let expected = ["deliveries.db", "graph.db", "lock", "signing-key.pem", "tweets.db"];
    assert_eq!(left, expected.map(str::to_owned).into());

    let again = place.start();
    assert_eq!(again.home(&token), ["before the end"]);
}

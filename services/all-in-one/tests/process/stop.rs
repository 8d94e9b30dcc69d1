use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::rookery::{Place, Rookery};

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

const BODY: &str = r#"{"handle":"slow","password":"correct horse"}"#;

/// A request of which half of the body is still to come, on a server that has been told to end.
fn begun_before_the_end(rookery: &Rookery) -> TcpStream {
    let address = rookery.url().trim_start_matches("http://").to_owned();
    let mut connection = TcpStream::connect(&address).unwrap();
    let head = "POST /v1/users HTTP/1.1\r\nconnection: close\r\ncontent-type: application/json";
    let begun = format!(
        "{head}\r\nhost: {address}\r\ncontent-length: {}\r\n\r\n{}",
        BODY.len(),
        &BODY[..20]
    );
    connection.write_all(begun.as_bytes()).unwrap();
    // Another request, so that the first has certainly been accepted.
    rookery.request("GET", "/v1/users/me", None, None);
    rookery.interrupt();
    rookery.logs("shutting down");
    connection
}

#[test]
fn a_request_that_had_begun_is_answered() {
    let place = Place::new();
    let rookery = place.start();
    let mut connection = begun_before_the_end(&rookery);
    connection.write_all(&BODY.as_bytes()[20..]).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 "), "{answer}");
    assert_eq!(rookery.wait().code(), Some(0));
}

#[test]
fn a_second_ctrl_c_does_not_wait() {
    let place = Place::new();
    let rookery = place.start();
    let _connection = begun_before_the_end(&rookery);
    rookery.interrupt();
    assert_eq!(rookery.wait().code(), Some(130));
}

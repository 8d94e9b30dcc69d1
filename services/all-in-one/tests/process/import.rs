use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::rookery::{Place, Rookery};

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn import(place: &Place, file: &Path) -> String {
    place.run(&["import-graph", file.to_str().unwrap()]).succeeded()
}

fn following_count(rookery: &Rookery, handle: &str) -> u64 {
    let user = rookery.ask("GET", &format!("/v1/users/by-handle/{handle}"), None, None);
    user["following_count"].as_u64().unwrap()
}

#[test]
fn all_forms_of_a_file_are_taken_over_running_and_stopped() {
    let place = Place::new();
    let plain = place.file("plain", "# follows\n15 3\n15 7\n\n3 7\n");
    let tabs = place.file("tabs", "15\t3\r\n15\t7\r\n15\t9\r\n");
    let zipped = place.file("zipped", gzip("15 3\n15 11\n"));

    let said = import(&place, &plain);
    assert!(
        said.starts_with("3 accounts made, 3 edges made, 0 edges stood already, in "),
        "{said}"
    );
    let rookery = place.start();
    assert_eq!(following_count(&rookery, "u15"), 2);

    let said = import(&place, &tabs);
    assert!(
        said.starts_with("1 account made, 1 edge made, 2 edges stood already, in "),
        "{said}"
    );
    let said = import(&place, &zipped);
    assert!(
        said.starts_with("1 account made, 1 edge made, 1 edge stood already, in "),
        "{said}"
    );
    let said = import(&place, &zipped);
    assert!(
        said.starts_with("0 accounts made, 0 edges made, 2 edges stood already, in "),
        "{said}"
    );
    assert_eq!(following_count(&rookery, "u15"), 4);
    rookery.kill_9();
    let rookery = place.start();
    assert_eq!(following_count(&rookery, "u15"), 4, "an import is durable");
}

#[test]
fn what_is_refused_is_counted_by_its_reason_running_and_stopped() {
    let place = Place::new();
    let edges = place.file("edges", "1 5\n1 6\n2 1\n1 3\n");
    let rookery = place.start();
    rookery.sign_up("u5");
    let (_, gone) = rookery.sign_up("u6");
    rookery.ask("DELETE", "/v1/users/me", Some(&gone), None);
    let said = import(&place, &edges);
    let refused = "1 edge refused: an account that is deleted\n1 edge refused: an account that somebody signed up for";
    assert!(
        said.starts_with("3 accounts made, 2 edges made, 0 edges stood already"),
        "{said}"
    );
    assert!(said.contains(refused) && said.contains("--attach"), "{said}");
    rookery.kill_9();
    let said = import(&place, &edges);
    assert!(
        said.starts_with("0 accounts made, 0 edges made, 2 edges stood already"),
        "{said}"
    );
    assert!(said.contains(refused), "{said}");
    let said = place
        .run(&["import-graph", edges.to_str().unwrap(), "--attach"])
        .succeeded();
    assert!(
        said.starts_with("0 accounts made, 1 edge made, 2 edges stood already"),
        "{said}"
    );
}

#[test]
fn an_import_goes_beyond_the_limit_of_follows_and_says_so() {
    let place = Place::new();
    let lines: Vec<String> = (2..=5_003).map(|n| format!("1 {n}")).collect();
    let said = import(&place, &place.file("many", lines.join("\n")));
    assert!(
        said.contains("1 account of the file: more follows than the 5000"),
        "{said}"
    );
    let rookery = place.start();
    assert_eq!(following_count(&rookery, "u1"), 5_002);
    let token = place.run(&["token", "--handle", "u1"]).succeeded();
    import(&place, &place.file("other", "9000 9001\n"));
    let other = rookery.ask("GET", "/v1/users/by-handle/u9000", None, None);
    let path = format!("/v1/users/me/following/{}", other["id"].as_str().unwrap());
    assert_eq!(rookery.request("PUT", &path, Some(token.trim_end()), None).0, 422);
}

#[test]
fn an_import_shows_in_the_next_read() {
    let place = Place::new();
    let rookery = place.start();
    import(&place, &place.file("first", "1 2\n"));
    let token = |handle: &str| {
        place
            .run(&["token", "--handle", handle])
            .succeeded()
            .trim_end()
            .to_owned()
    };
    let (reader, author) = (token("u1"), token("u2"));
    import(&place, &place.file("more", "9 8\n"));
    let late = token("u8");
    for (token, text) in [(&author, "of one followed before"), (&late, "of one followed later")] {
        rookery.ask("POST", "/v1/tweets", Some(token), Some(&json!({"text": text})));
    }
    let wait_for = |expected: &[&str]| {
        (0..500).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            rookery.home(&reader) == expected
        })
    };
    assert!(wait_for(&["of one followed before"]));
    import(&place, &place.file("last", "1 8\n"));
    assert_eq!(
        rookery.home(&reader),
        ["of one followed later", "of one followed before"]
    );
}

#[test]
fn a_bad_line_refuses_the_file_unless_it_is_to_be_left_out() {
    let place = Place::new();
    let lines: String = std::iter::repeat_n("7 7\n", 30).collect();
    let bad = place.file("bad", format!("1 2\n1 x\n3 100000000000000\n{lines}4 5\n"));
    let bad = bad.to_str().unwrap();
    for running in [false, true] {
        let rookery = running.then(|| place.start());
        let said = place.run(&["import-graph", bad]).failed_with(65);
        for expected in [
            "line 2: \"x\" is not a number",
            "line 3: 100000000000000 is too large",
            "line 4: 7 cannot follow itself",
            "and 12 more bad lines",
            "nothing was imported",
            "--skip-bad",
        ] {
            assert!(said.contains(expected), "{expected}: {said}");
        }
        assert!(!said.contains("line 22:"), "twenty are told: {said}");
        if let Some(rookery) = rookery {
            assert_eq!(rookery.request("GET", "/v1/users/by-handle/u1", None, None).0, 404);
        }
    }
    let said = place.run(&["import-graph", bad, "--skip-bad"]).succeeded();
    assert!(said.starts_with("4 accounts made, 2 edges made"), "{said}");
}

#[test]
fn what_cannot_be_read_is_a_sentence() {
    let place = Place::new();
    let missing = place.run(&["import-graph", "no-such-file"]).failed_with(66);
    assert!(missing.contains("cannot open no-such-file"), "{missing}");
    let folder = place.run(&["import-graph", "."]).failed_with(66);
    assert!(folder.contains("is a folder"), "{folder}");
    let whole = gzip(&"1 2\n".repeat(10_000));
    place.file("cut.gz", &whole[..whole.len() / 2]);
    let cut = place.run(&["import-graph", "cut.gz"]).failed_with(65);
    assert!(cut.contains("is not a whole gzip file"), "{cut}");
}

/// A command that is talked through by hand.
struct Conversation {
    socket: UnixStream,
    answers: Lines<BufReader<UnixStream>>,
}

impl Conversation {
    fn open(place: &Place) -> Self {
        let socket = UnixStream::connect(place.data().join("admin.sock")).unwrap();
        let answers = BufReader::new(socket.try_clone().unwrap()).lines();
        Self { socket, answers }
    }

    fn say(&mut self, text: &str) {
        self.socket.write_all(text.as_bytes()).unwrap();
    }

    fn answer(&mut self) -> Option<String> {
        self.answers.next().transpose().unwrap()
    }

    /// An import of which one batch is in.
    fn importing(place: &Place) -> Self {
        let mut conversation = Self::open(place);
        conversation.say("{\"request\":\"import\",\"source\":\"/some/graph\"}\n");
        assert_eq!(conversation.answer().unwrap(), r#"{"answer":"ready"}"#);
        conversation.say("{\"part\":\"edges\",\"edges\":[[1,2],[3,2]]}\n");
        let imported = conversation.answer().unwrap();
        assert_eq!(
            imported,
            r#"{"answer":"imported","accounts":3,"edges":2,"standing":0,"deleted":0,"blocked":0,"signed_up":0}"#
        );
        conversation
    }
}

#[test]
fn an_import_whose_sender_dies_ends_with_its_batch_and_is_remembered() {
    let place = Place::new();
    let rookery = place.start();
    let mut sender = Conversation::importing(&place);
    let other = place.file("other", "1 2\n");
    let refused = place.run(&["import-graph", other.to_str().unwrap()]).failed_with(75);
    assert!(refused.contains("another import is under way"), "{refused}");
    sender.say("{\"part\":\"edges\",\"edges\":[[5,6");
    drop(sender);

    rookery.logs("an import stopped at the end of a batch");
    assert_eq!(following_count(&rookery, "u3"), 1);
    assert_eq!(rookery.request("GET", "/v1/users/by-handle/u5", None, None).0, 404);
    rookery.kill_9();
    let rookery = place.start();
    rookery.logs("never ended");
    assert!(rookery.log().contains("/some/graph"), "{}", rookery.log());
}

#[test]
fn an_import_does_not_keep_the_system_from_stopping() {
    let place = Place::new();
    let rookery = place.start();
    let mut sender = Conversation::importing(&place);
    rookery.interrupt();
    let refused = sender.answer().unwrap();
    assert!(
        refused.contains("shutting down") && refused.contains(r#""exit_code":75"#),
        "{refused}"
    );
    assert_eq!(rookery.wait().code(), Some(0));
    let rookery = place.start();
    assert_eq!(following_count(&rookery, "u3"), 1);
}

#[test]
fn nonsense_over_the_socket_does_no_harm() {
    let place = Place::new();
    let rookery = place.start();
    let mut importing = Conversation::importing(&place);
    let unanswered = |text: &str| {
        let mut conversation = Conversation::open(&place);
        conversation.say(text);
        conversation.answer().is_none()
    };
    assert!(unanswered("nonsense\n"));
    assert!(unanswered("{\"request\":\"token\"}\n"));
    importing.say("{\"part\":\"edges\",\"edges\":[[7,7]]}\n");
    let refused = importing.answer().unwrap();
    assert!(refused.contains(r#""exit_code":65"#), "{refused}");
    rookery.sign_up("ada");
}

use std::net::TcpListener;

use crate::rookery::{Place, run};

#[test]
fn a_port_in_use_is_named() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["ROOKERY__HTTP__ADDR", "ROOKERY__INTERNAL__ADDR"] {
        let said = run(place.command().env(key, &address)).failed_with(69);
        assert!(
            said.contains(&address) && said.contains("in use") && said.contains(key),
            "{said}"
        );
    }
}

#[test]
fn a_data_folder_that_is_none_is_named() {
    let place = Place::new();
    let file = place.file("data", "not a folder");
    let said = place.run(&[]).failed_with(73);
    assert!(
        said.contains("data folder") && said.contains("ROOKERY__DATA_DIR"),
        "{said}"
    );
    assert_eq!(std::fs::read_to_string(file).unwrap(), "not a folder");
}

#[test]
fn a_second_process_leaves_the_data_alone() {
    let place = Place::new();
    let first = place.start();
    let said = place.run(&[]).failed_with(75);
    assert!(said.contains(&format!("another process ({})", first.pid())), "{said}");
    first.sign_up("ada");
}

#[test]
fn data_of_a_younger_version_are_left_alone() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    let file = rusqlite::Connection::open(place.data().join("graph.db")).unwrap();
    file.pragma_update(None, "user_version", 9_999).unwrap();
    drop(file);
    let said = place.run(&[]).failed_with(65);
    assert!(
        said.contains("graph.db") && said.contains("9999") && said.contains("newer build"),
        "{said}"
    );
}

#[test]
fn a_file_that_is_no_database_is_named() {
    let place = Place::new();
    place.run(&["migrate"]).succeeded();
    std::fs::write(place.data().join("tweets.db"), "garbage ".repeat(1_000)).unwrap();
    let said = place.run(&[]).failed_with(65);
    assert!(said.contains("tweets.db"), "{said}");
}

#[test]
fn mistakes_in_the_configuration_are_listed() {
    let place = Place::new();
    let mut command = place.command();
    command
        .env("ROOKERY__TIMELINE__STRATEGY", "sideways")
        .env("ROOKERY__NO__SUCH_KEY", "1");
    let said = run(&mut command).failed_with(64);
    assert!(
        said.to_lowercase().contains("strategy") && said.to_lowercase().contains("no"),
        "{said}"
    );
}

#[test]
fn an_unknown_argument_is_a_usage_error() {
    let ended = Place::new().run(&["--serve-faster"]);
    assert_eq!(ended.code, Some(64), "{}", ended.stderr);
    let help = Place::new().run(&["--help"]).succeeded();
    assert!(help.contains("Examples:") && help.contains("import-graph"), "{help}");
}

use crate::rookery::Place;

#[test]
fn a_token_is_printed_on_a_running_and_on_a_stopped_system() {
    let place = Place::new();
    let rookery = place.start();
    let (id, _) = rookery.sign_up("Ada");
    let running = place.run(&["token", "--handle", "ada"]).succeeded();
    let me = rookery.ask("GET", "/v1/users/me", Some(running.trim_end()), None);
    assert_eq!(me["id"], id.as_str());
    rookery.kill_9();

    let stopped = place.run(&["token", "--handle", "ADA"]).succeeded();
    let rookery = place.start();
    for token in [running, stopped] {
        rookery.ask("GET", "/v1/users/me", Some(token.trim_end()), None);
    }
}

#[test]
fn without_such_an_account_or_any_data_it_says_so() {
    let place = Place::new();
    let said = place.run(&["token", "--handle", "ada"]).failed_with(66);
    assert!(said.contains("no data"), "{said}");
    let rookery = place.start();
    let running = place.run(&["token", "--handle", "ada"]).failed_with(67);
    assert!(running.contains("no account with the handle ada"), "{running}");
    rookery.kill_9();
    assert_eq!(place.run(&["token", "--handle", "ada"]).failed_with(67), running);
    let said = place.run(&["token", "--handle", "a b"]).failed_with(64);
    assert!(said.contains("a handle is"), "{said}");
}

#[test]
fn a_folder_with_a_very_long_name_is_no_obstacle() {
    let place = Place::within(&"long-name-".repeat(20));
    let rookery = place.start();
    rookery.sign_up("ada");
    let token = place.run(&["token", "--handle", "ada"]).succeeded();
    rookery.ask("GET", "/v1/users/me", Some(token.trim_end()), None);
}

use crate::rookery::Place;

#[test]
fn it_makes_the_stores_and_says_so() {
    let place = Place::new();
    let said = place.run(&["migrate"]).succeeded();
    assert!(said.contains("at the schema of this version"), "{said}");
    for store in ["tweets.db", "graph.db", "deliveries.db"] {
        assert!(place.data().join(store).exists(), "{store}");
    }
    let _rookery = place.start();
    let said = place.run(&["migrate"]).succeeded();
    assert!(said.contains("nothing to do"), "{said}");
}

fn lose(place: &Place, store: &str) {
    for suffix in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(place.data().join(format!("{store}{suffix}")));
    }
}

#[test]
fn a_lost_store_of_tweets_is_noticed_and_can_be_done_without() {
    let place = Place::new();
    let rookery = place.start();
    rookery.sign_up("ada");
    rookery.kill_9();
    lose(&place, "tweets.db");
    for command in [&[][..], &["migrate"], &["token", "--handle", "ada"]] {
        let said = place.run(command).failed_with(65);
        assert!(
            said.contains("the tweets are lost") && said.contains("--accept-loss"),
            "{said}"
        );
    }
    place.run(&["migrate", "--accept-loss"]).succeeded();
    let rookery = place.start();
    rookery.ask("GET", "/v1/users/by-handle/ada", None, None);
}

#[test]
fn a_lost_store_of_accounts_is_noticed_and_cannot_be_done_without() {
    let place = Place::new();
    place.start().kill_9();
    lose(&place, "graph.db");
    let graph = place.file("graph", "1 2\n");
    for command in [
        &[][..],
        &["migrate", "--accept-loss"],
        &["import-graph", graph.to_str().unwrap()],
    ] {
        let said = place.run(command).failed_with(65);
        assert!(said.contains("the accounts are lost"), "{said}");
    }
}

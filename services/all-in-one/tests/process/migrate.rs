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

use std::process::Command;

use crate::rookery::{Place, run};

#[test]
fn the_commands_that_it_prints_work_when_pasted_in_order() {
    let place = Place::new();
    let rookery = place.start();
    let commands: Vec<_> = rookery
        .banner
        .iter()
        .filter(|line| line.starts_with("curl ") || line.starts_with("TOKEN="))
        .cloned()
        .collect();
    assert_eq!(commands.len(), 3, "{:?}", rookery.banner);
    let pasted = run(Command::new("sh").arg("-ec").arg(commands.join("\n"))).succeeded();
    assert_eq!(
        pasted.matches("Hello, rookery").count(),
        2,
        "posted, and in the timeline: {pasted}"
    );
}

#[test]
fn later_runs_say_where_they_listen_and_no_more() {
    let place = Place::new();
    let first = place.start();
    assert!(
        first.banner.iter().any(|line| line.contains("import-graph")),
        "{:?}",
        first.banner
    );
    first.kill_9();
    let second = place.start();
    assert_eq!(second.banner.len(), 2, "{:?}", second.banner);
    assert!(
        second.banner[1].contains("data") && second.banner[1].contains("hybrid"),
        "{:?}",
        second.banner
    );
}

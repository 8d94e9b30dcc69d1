//! What can't be worked on is set aside, and nothing else is.

use std::collections::BTreeSet;

use model::Position;
use storage::EventLog;
use storage_redis::AsideReason;

use crate::world::{LONG, SHORT, World, positions, receipts, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_ends_whoever_works_on_it_goes_aside_alone() {
    let Some(mut world) = World::start().await else { return };
    world.settings.max_tries = 6;
    let watching = world.sweeping().await;
    let posted = world.post(&watching, 200).await;
    let poison = posted[77].position;
    let mut deaths = 0;
    while watching.log.counts().poisoned == 0 && deaths < 30 {
        let process = world.process().await;
        // Two workers in it, and whatever one of them is given ends both.
        loop {
            let batch = process.log.receive(100, SHORT).await.unwrap();
            if positions(&batch).contains(&poison) {
                deaths += 1;
                break;
            }
            process.acknowledge(&batch).await;
            if world.commits.left() == [poison] && process.log.counts().poisoned > 0 {
                break;
            }
        }
        if process.log.counts().poisoned > 0 {
            break;
        }
    }
    assert_eq!(deaths, 6);
    assert_eq!(watching.log.count_aside().await.unwrap(), 1);
    let aside = watching.log.list_aside(10).await.unwrap().remove(0);
    assert_eq!((aside.reason, aside.tries), (AsideReason::Poison, 6));
    assert_eq!(aside.event.as_ref(), Some(&posted[77]));
    world_without(&world, &watching, poison).await;

    let is_noted = async || world.commits.aside() == [poison];
    until("the outbox knows what was set aside", is_noted).await;
    tokio::time::sleep(world.settings.grace * 4).await;
    assert_eq!(world.commits.left(), [poison], "what was set aside is not done");
    assert_eq!(watching.log.counts().republished, 0);
    assert_eq!(watching.log.receive(100, SHORT).await.unwrap(), []);

    assert!(watching.log.replay(&aside).await.unwrap());
    assert!(!watching.log.replay(&aside).await.unwrap(), "once");
    let again = watching.receive(1).await;
    assert_eq!(again[0].event, posted[77]);
    watching.acknowledge(&again).await;
    assert_eq!(world.commits.left(), []);
    assert_eq!(watching.log.count_aside().await.unwrap(), 0);
}

/// Works on everything but the poison.
async fn world_without(world: &World, process: &crate::world::Process, poison: Position) {
    while world.commits.left() != [poison] {
        let batch = process.log.receive(100, LONG).await.unwrap();
        assert!(!positions(&batch).contains(&poison));
        process.acknowledge(&batch).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_loop_for_other_reasons_poisons_next_to_nothing() {
    let Some(mut world) = World::start().await else { return };
    world.settings.max_tries = 6;
    let posted = world.post(&world.process().await, 60).await;
    for _ in 0..12 {
        let process = world.process().await;
        process.log.receive(100, LONG).await.unwrap();
        process.log.receive(100, SHORT).await.unwrap();
    }
    let survivor = world.process().await;
    let mut done = BTreeSet::new();
    until("all but a few are done", async || {
        let batch = survivor.log.receive(100, SHORT).await.unwrap();
        survivor.acknowledge(&batch).await;
        world.commits.left().len() as u64 == survivor.log.count_aside().await.unwrap()
    })
    .await;
    done.extend(world.commits.left());
    assert!(done.len() <= 3, "{done:?} of {} were set aside", posted.len());
}

async fn append(world: &World, fields: &[&str]) {
    let arguments: Vec<&str> = ["events{1}", "*"].into_iter().chain(fields.iter().copied()).collect();
    world.redis.ask::<String>("XADD", &arguments).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entries_that_this_build_does_not_understand_are_set_aside() {
    let Some(world) = World::start().await else { return };
    let process = world.sweeping().await;
    append(
        &world,
        &["format", "9", "event", "0 123456 and so on", "colour", "blue"],
    )
    .await;
    append(&world, &["format", "one"]).await;
    append(&world, &["what", "\u{1F426} is this"]).await;
    let posted = world.post(&process, 30).await;
    let received = process.receive(30).await;
    assert_eq!(received.len(), posted.len());
    process.acknowledge(&received).await;
    until("all three are set aside", async || process.log.counts().unreadable == 3).await;
    assert_eq!(world.redis.entries(world.settings.partitions).await, 0);
    let list = process.log.list_aside(10).await.unwrap();
    let named: BTreeSet<_> = list
        .iter()
        .map(|aside| (aside.reason == AsideReason::Format, aside.fields[0].1.clone()))
        .collect();
    let expected = [(true, "9"), (false, "one"), (false, "\u{1F426} is this")];
    assert_eq!(
        named,
        expected.map(|(is_format, text)| (is_format, text.to_owned())).into()
    );
    assert!(list.iter().all(|aside| aside.event.is_none()));
    for aside in &list {
        assert!(process.log.replay(aside).await.unwrap());
    }
    assert_eq!(process.log.receive(10, SHORT).await.unwrap(), []);
    assert_eq!(process.log.count_aside().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_understands_what_an_older_one_set_aside_takes_it_up() {
    let Some(world) = World::start().await else { return };
    let event = world.commits.commit(1);
    // As an older build has left it.
    let (position, tweet) = (event.position, event.body.tweet());
    let kept = format!(
        r#"{{"entry":"1-1","reason":"format","tries":1,
        "fields":[["format","1"],["event","0 {position} accepted {tweet} 1 -"]]}}"#
    );
    let name = format!("0-{}", event.position);
    world
        .redis
        .ask::<u64>("HSET", &["events-poison{1}", &name, &kept])
        .await;
    let process = world.sweeping().await;
    let received = process.receive(1).await;
    assert_eq!(received[0].event, event);
    process.acknowledge(&received).await;
    assert_eq!(world.commits.left(), []);
    assert_eq!(process.log.count_aside().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_its_worker_fails_goes_aside_and_no_other() {
    let Some(mut world) = World::start().await else { return };
    world.settings.max_tries = 5;
    let process = world.process().await;
    let posted = world.post(&process, 100).await;
    let poison = posted[33].position;
    until("what fails is set aside", async || {
        let batch = process.log.receive(100, SHORT).await.unwrap();
        let (failed, good): (Vec<_>, Vec<_>) = batch.into_iter().partition(|one| one.event.position == poison);
        process.log.fail(&receipts(&failed)).await;
        process.acknowledge(&good).await;
        process.log.count_aside().await.unwrap() == 1
    })
    .await;
    assert_eq!(world.commits.left(), [poison]);
}

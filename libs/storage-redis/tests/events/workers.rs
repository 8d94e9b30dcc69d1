//! Workers that die, that are slow, and that stop waiting.

use std::time::Duration;

use storage::EventLog;

use crate::world::{LONG, SHORT, World, places, positions, receipts, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_dead_process_are_taken_over() {
    let Some(world) = World::start().await else { return };
    let (dying, living) = (world.process().await, world.process().await);
    let posted = world.post(&dying, 100).await;
    let held = dying.receive(60).await;
    dying.acknowledge(&held[..10]).await;
    drop(dying);
    let received = world.drain(&living).await;
    let left = places(&posted).difference(&positions(&held[..10])).copied().collect();
    assert_eq!(received, left);
    assert_eq!(living.log.counts().claimed, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_worker_keeps_what_it_works_on() {
    let Some(mut world) = World::start().await else { return };
    world.settings.claim_after = Duration::from_secs(2);
    let (slow, other) = (world.process().await, world.process().await);
    world.post(&slow, 50).await;
    let held = slow.receive(50).await;
    let came = other.log.receive(50, world.settings.claim_after * 3).await.unwrap();
    assert_eq!(came, []);
    slow.acknowledge(&held).await;
    assert_eq!(world.commits.left(), []);
    assert_eq!(other.log.counts().claimed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_read_for_a_worker_that_stopped_waiting_goes_to_the_next() {
    let Some(world) = World::start().await else { return };
    let process = world.process().await;
    for _ in 0..20 {
        let waiting = process.log.receive(10, LONG);
        assert!(tokio::time::timeout(Duration::from_millis(5), waiting).await.is_err());
        let posted = world.post(&process, 3).await;
        let received = process.receive(3).await;
        assert_eq!(positions(&received), places(&posted));
        process.acknowledge(&received).await;
    }
    assert_eq!(process.log.counts().claimed, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_worker_here_waits_for_goes_to_another_process() {
    let Some(world) = World::start().await else { return };
    let (leaving, other) = (world.process().await, world.process().await);
    let waiting = leaving.log.receive(10, LONG);
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    let posted = world.post(&leaving, 8).await;
    until("the read that nobody waits for has its entries", async || {
        let summary: fred::types::Value = world.redis.ask("XINFO", &["GROUPS", "events{2}"]).await;
        format!("{summary:?}").contains("pending") && world.redis.entries(4).await == 8
    })
    .await;
    let received = other.receive(8).await;
    assert_eq!(positions(&received), places(&posted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workers_share_the_work() {
    let Some(world) = World::start().await else { return };
    let processes = [world.process().await, world.process().await];
    let posted = world.post(&processes[0], 2_000).await;
    let workers = processes
        .iter()
        .flat_map(|process| [process.log.clone(), process.log.clone()]);
    let workers = workers.map(|log| {
        tokio::spawn(async move {
            let mut received = Vec::new();
            loop {
                let batch = log.receive(50, SHORT).await.unwrap();
                if batch.is_empty() {
                    return received;
                }
                log.acknowledge(&receipts(&batch)).await.unwrap();
                received.extend(batch);
            }
        })
    });
    let mut received = Vec::new();
    for worker in workers.collect::<Vec<_>>() {
        received.extend(worker.await.unwrap());
    }
    assert_eq!(received.len(), posted.len(), "each event goes to one of them");
    assert_eq!(positions(&received), places(&posted));
    assert_eq!(world.commits.left(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_events_of_an_author_keep_their_order() {
    let Some(world) = World::start().await else { return };
    let process = world.process().await;
    world.post(&process, 1_000).await;
    let received = process.receive(1_000).await;
    for author in 1..=23 {
        let of_author = received.iter().filter(|one| one.event.body.author().get() == author);
        assert!(of_author.is_sorted_by(|a, b| a.event.position < b.event.position));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_as_large_as_the_backlog_up_to_what_is_asked_for() {
    let Some(world) = World::start().await else { return };
    let process = world.process().await;
    let of_one_author: Vec<_> = (0..500).map(|_| world.commits.commit(7)).collect();
    process.log.publish(&of_one_author).await.unwrap();
    assert_eq!(process.log.receive(300, LONG).await.unwrap().len(), 300);
    assert_eq!(process.log.receive(300, LONG).await.unwrap().len(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_worker_that_ends_has_goes_to_another_at_once_and_counts_as_no_try() {
    let Some(mut world) = World::start().await else { return };
    (world.settings.claim_after, world.settings.max_tries) = (LONG * 4, 3);
    let posted = world.post(&world.process().await, 40).await;
    for _ in 0..6 {
        let ending = world.process().await;
        ending.receive(25).await;
        ending.log.give_back().await;
    }
    let survivor = world.process().await;
    assert_eq!(positions(&survivor.receive(40).await), places(&posted));
    assert_eq!(survivor.log.count_aside().await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_that_only_waits_is_not_blamed_for_a_death() {
    let Some(mut world) = World::start().await else { return };
    world.settings.max_tries = 3;
    let posted = world.post(&world.process().await, 20).await;
    for _ in 0..4 {
        let dying = world.process().await;
        dying.log.park(&receipts(&dying.receive(20).await)).await;
    }
    let survivor = world.process().await;
    assert_eq!(positions(&survivor.receive(20).await), places(&posted));
    assert_eq!(survivor.log.count_aside().await.unwrap(), 0);
}

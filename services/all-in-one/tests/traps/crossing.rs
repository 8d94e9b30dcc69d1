//! Traps 1, 2, 3 and 24: how tweets travel changes while they are on their way.

use model::{Mode, Phase, Strategy};

use crate::steps::Step;
use crate::world::{NEVER, Options, World, deadline};

/// Guard: `Situation::step` in `services/follow-graph/src/crossing.rs` ends pushing only `if (self.settled)(subject)`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_01_an_author_crosses_the_threshold_upwards() {
    let world = World::with(Options {
        settle: NEVER,
        ..Options::of(Strategy::Hybrid)
    })
    .await;
    let [ada, bob, first, second, third] = world.accounts().await;
    world.follow(&first, &ada).await;
    world.follow(&second, &ada).await;
    world.built(&first).await;
    let pushed = world.post(&ada).await;
    world.delivered(&[pushed]).await;

    // The reader's process has just looked at the rules, and they say that ada is pushed.
    world.known_to_readers.keep_the_rules(deadline()).await;
    world.follow(&third, &ada).await;
    world.phase_becomes(&ada, Phase::Both).await;
    // When bob is taken on his first step, ada might have been taken on her second.
    for reader in [&first, &second, &third] {
        world.follow(reader, &bob).await;
    }
    world.phase_becomes(&bob, Phase::Both).await;
    let crossing = world.post(&ada).await;
    world.delivered(&[crossing]).await;
    assert_eq!(world.home(&first).await, [crossing, pushed], "by the rules before");
    assert_eq!(world.mode(crossing).await, Mode::Both);

    world.known_to_readers.look_at_the_rules();
    assert_eq!(
        world.home(&first).await,
        [crossing, pushed],
        "what is pushed and pulled shows once"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_01_what_was_pushed_before_the_crossing_stays() {
    let world = World::of(Strategy::Hybrid).await;
    let [ada, first, second, third] = world.accounts().await;
    world.follow(&first, &ada).await;
    world.follow(&second, &ada).await;
    world.built(&first).await;
    let pushed = world.post(&ada).await;
    world.delivered(&[pushed]).await;
    world.follow(&third, &ada).await;
    world.phase_becomes(&ada, Phase::Pulled).await;
    let pulled = world.post(&ada).await;
    world.delivered(&[pulled]).await;
    assert_eq!(
        (world.mode(pushed).await, world.mode(pulled).await),
        (Mode::Push, Mode::Pull)
    );
    assert_eq!(world.stored(&first).await, [pushed]);
    assert_eq!(world.home(&first).await, [pulled, pushed]);
}

/// Guard: `DeliveryState::close` in `libs/model/src/delivery.rs` keeps the range over which readers have to pull.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_02_an_author_crosses_the_threshold_downwards() {
    let world = World::of(Strategy::Hybrid).await;
    let [ada, reader, second, third] = world.accounts().await;
    for follower in [&reader, &second, &third] {
        world.follow(follower, &ada).await;
    }
    world.phase_becomes(&ada, Phase::Pulled).await;
    world.built(&reader).await;
    let pulled = world.posts(&ada, 3).await;
    world.delivered(&pulled).await;
    for tweet in &pulled {
        assert_eq!(world.mode(*tweet).await, Mode::Pull);
    }

    world.unfollow(&second, &ada).await;
    world.unfollow(&third, &ada).await;
    world.phase_becomes(&ada, Phase::Pushed).await;
    let pushed = world.post(&ada).await;
    world.delivered(&[pushed]).await;
    assert!(world.mode(pushed).await.is_pushed());
    assert_eq!(world.stored(&reader).await, [pushed], "the others were never pushed");
    let expected = [pushed, pulled[2], pulled[1], pulled[0]];
    assert_eq!(world.home(&reader).await, expected);

    world.lose_timelines(&[&reader]).await;
    assert_eq!(world.home(&reader).await, expected);
    world.built(&reader).await;
    assert_eq!(world.home(&reader).await, expected, "nor does a rebuild forget them");
}

/// Guard: `deliver` in `services/fan-out/src/worker.rs` asks the books first, and leaves a tweet with an open plan to that
/// plan (`Some(_) => unfinished.push(…)`).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_03_a_huge_author_loses_followers_in_the_middle_of_a_fan_out() {
    let world = World::with(Options {
        chunk: 2,
        ..Options::of(Strategy::Push)
    })
    .await;
    let [ada, bob] = world.accounts().await;
    let mut readers = Vec::new();
    for number in 0..6 {
        readers.push(world.account(&format!("reader{number}")).await);
    }
    for reader in &readers {
        world.follow(reader, &ada).await;
        world.built(reader).await;
    }
    world.kill_worker().await;
    world.start_worker(1);
    world.steps.hold(Step::Pushed);
    let tweet = world.post(&ada).await;
    world.steps.reached(Step::Pushed, 1).await;
    world.kill_worker().await;
    world.steps.release(Step::Pushed);
    for reader in &readers[1..] {
        world.unfollow(reader, &ada).await;
    }

    // By her followers of now she is small. Another process is handed the tweet, and a newer one.
    world.log.redeliver();
    world.start_worker(0);
    let newer = world.post(&bob).await;
    world.finished(newer).await;
    let record = world.record(tweet).await.unwrap();
    assert_eq!((record.mode, record.finished_at_ms), (Mode::Push, None));
    assert!(!world.is_settled(tweet).await, "its chunks are not done");

    world.kill_worker().await;
    world.log.redeliver();
    world.start_worker(1);
    world.delivered(&[tweet]).await;
    let record = world.record(tweet).await.unwrap();
    assert_eq!((record.mode, record.expected), (Mode::Push, 6));
    assert_eq!(record.written + record.skipped, 6);
    assert_eq!(world.stored(&readers[0]).await, [tweet]);
    assert_eq!(world.home(&readers[0]).await, [tweet]);
}

/// Tweets are accepted before a change and settled after it, in both directions.
///
/// Guard: `DeliveryState::leaves` in `libs/model/src/delivery.rs` goes by whether readers pull this id, and by the phase only
/// then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trap_24_the_strategy_is_changed_while_tweets_are_on_their_way() {
    let world = World::of(Strategy::Push).await;
    let [ada, reader] = world.accounts().await;
    world.follow(&reader, &ada).await;
    world.built(&reader).await;
    let mut expected = Vec::new();
    for strategy in [
        Strategy::Pull,
        Strategy::Push,
        Strategy::Hybrid,
        Strategy::Pull,
        Strategy::Hybrid,
    ] {
        world.gate.hold(&[ada.id]);
        let before = world.post(&ada).await;
        world.change_to(strategy).await;
        let after = world.post(&ada).await;
        world.gate.hold(&[]);
        world.delivered(&[before, after]).await;
        expected.splice(0..0, [after, before]);
        for page_size in [1, 3, 100] {
            assert_eq!(world.home_by(&reader, page_size).await, expected, "{strategy:?}");
        }
    }
    world.lose_timelines(&[&reader]).await;
    assert_eq!(world.home(&reader).await, expected);
    world.built(&reader).await;
    assert_eq!(world.home(&reader).await, expected);
}

//! The stack as fault tests use it: `test_support::Stack`.

use std::time::Duration;

use reqwest::Method;
use test_support::{Part, Request, SERVICES, Stack, Stop, System};

use crate::support::{Programs, installed, runs};

async fn up(programs: &Programs, options: &[&str]) -> Stack {
    let folder = programs.path().join("stack");
    Stack::up(programs.path(), &folder, options, &[]).await.unwrap()
}

fn pids(stack: &Stack) -> Vec<u32> {
    stack.parts().iter().filter_map(Part::pid).collect()
}

#[tokio::test]
async fn every_part_can_be_killed_and_started_again() {
    if !installed() {
        return;
    }
    let programs = Programs::new();
    let stack = up(&programs, &["--replicas", "2"]).await;
    let before = pids(&stack);
    assert_eq!(before.len(), stack.parts().len());
    for part in stack.parts() {
        part.end(Stop::Abrupt).await.unwrap();
        assert_eq!(part.pid(), None);
    }
    assert!(!before.iter().any(|&pid| runs(pid)));
    for part in stack.parts() {
        part.start().unwrap();
    }
    stack.wait_ready().await.unwrap();
    let after = pids(&stack);
    drop(stack);
    assert!(
        !after.iter().any(|&pid| runs(pid)),
        "what was started again is ended too"
    );
    assert!(!programs.path().join("stack").exists());
}

#[tokio::test]
async fn all_services_restart_at_once_and_the_stores_stay() {
    if !installed() {
        return;
    }
    let programs = Programs::new();
    let stack = up(&programs, &["--replicas", "2"]).await;
    let pid = |name: &str| stack.part(name, 0).pid();
    let stores = [pid("postgres"), pid("redis"), pid("load-balancer")];
    let services = SERVICES.map(pid);
    for stop in [Stop::Abrupt, Stop::Abrupt] {
        stack.restart(stop).await.unwrap();
        let answer = stack
            .public()
            .send(Request::new(Method::GET, "/v1/tweets"))
            .await
            .unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    assert_eq!([pid("postgres"), pid("redis"), pid("load-balancer")], stores);
    assert!(SERVICES.map(pid).iter().zip(services).all(|(now, then)| *now != then));
}

#[tokio::test]
async fn a_replica_that_is_stopped_is_left_out_until_it_goes_on() {
    if !installed() {
        return;
    }
    let programs = Programs::new();
    let stack = up(&programs, &["--replicas", "2"]).await;
    let stopped = stack.part("timeline-read", 0);
    stopped.pause().unwrap();
    let ask = async || {
        stack
            .public()
            .send(Request::new(Method::GET, "/v1/timelines/home"))
            .await
            .unwrap()
    };
    // One of two at first, with the load balancer's 503 for the other; then nobody asks it any more.
    let mut in_a_row = 0;
    for _ in 0..200 {
        let answer = ask().await;
        in_a_row = if answer.body == "timeline-read 1" {
            in_a_row + 1
        } else {
            0
        };
        if in_a_row == 6 {
            break;
        }
    }
    assert_eq!(in_a_row, 6, "requests go to the other one alone");
    stopped.resume().unwrap();
    stack.wait_ready().await.unwrap();
    for _ in 0..600 {
        if ask().await.body == "timeline-read 0" {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never gets a request again");
}

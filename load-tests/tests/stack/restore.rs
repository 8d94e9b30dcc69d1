//! PostgreSQL is restored to an earlier point, with a Redis that is ahead of it: no ghosts, and nothing that was there is
//! missing. See docs/backup.md.

use std::io;
use std::process::Command;
use std::time::Duration;

use load_tests::ledger::{Ledger, LedgerOptions};
use reqwest::Method;
use test_support::{Client, Request, Stop, System};

use crate::support::{Person, TestStack, follow, person, post};

const LOAD: LedgerOptions = LedgerOptions {
    accounts: 12,
    follows: 4,
    posts_per_second: 25.0,
    reads_per_second: 25.0,
    seed: 11,
};
const SETTLED_WITHIN: Duration = Duration::from_secs(30);
const SERVICES: [&str; 4] = ["tweet-ingest", "fan-out", "timeline-read", "follow-graph"];

async fn end_services(running: &TestStack) -> io::Result<()> {
    for part in SERVICES.into_iter().flat_map(|name| running.stack.replicas(name)) {
        part.end(Stop::Graceful).await?;
    }
    running.stack.part("postgres", 0).end(Stop::Graceful).await
}

async fn start_services(running: &TestStack) -> io::Result<()> {
    for part in SERVICES.into_iter().flat_map(|name| running.stack.replicas(name)) {
        part.start()?;
    }
    running.stack.wait_ready().await
}

async fn start_postgres(running: &TestStack) -> io::Result<()> {
    let postgres = running.stack.part("postgres", 0);
    postgres.start()?;
    postgres.wait_ready().await
}

/// As `cp -a`: the files belong to whom PostgreSQL runs as.
fn copy(from: &str, to: &str) -> io::Result<()> {
    let copied = Command::new("cp").args(["-a", from, to]).status()?;
    if copied.success() {
        Ok(())
    } else {
        Err(io::Error::other(format!("{from} could not be copied to {to}")))
    }
}

/// What the account is answered that asks who it is.
async fn who_is(client: &Client, person: &Person) -> u16 {
    let me = Request::new(Method::GET, "/v1/users/me").token(Some(&person.token));
    client.send(me).await.unwrap().status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restore_to_an_earlier_point_leaves_no_ghosts() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let ledger = Ledger::prepare(running.stack.public(), LOAD).await.unwrap();
    let (ada, bob, cyd) = (
        person(&client, "ada").await,
        person(&client, "bob").await,
        person(&client, "cyd").await,
    );
    let of_bob = post(&client, &bob, "bob-1").await;
    let of_cyd = post(&client, &cyd, "cyd-1").await;
    running.stack.settle(&[of_bob, of_cyd]).await.unwrap();
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), []);
    ledger.run(Duration::from_secs(2)).await.unwrap();
    ledger.verify(SETTLED_WITHIN).await.unwrap();

    end_services(&running).await.unwrap();
    let data = running.stack.part("postgres", 0).option("-D").unwrap().to_owned();
    let backup = format!("{data}.backup");
    copy(&data, &backup).unwrap();
    start_postgres(&running).await.unwrap();
    start_services(&running).await.unwrap();
    let backed_up = ledger.acknowledged();

    // What the restore undoes: tweets, an account, and a follow with the version that a later one will have too.
    let undone = person(&client, "dan").await;
    assert_eq!(who_is(&client, &undone).await, 200);
    ledger.run(Duration::from_secs(2)).await.unwrap();
    ledger.verify(SETTLED_WITHIN).await.unwrap();
    follow(&client, &ada, &bob).await;
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), [of_bob]);

    end_services(&running).await.unwrap();
    let removed = Command::new("rm").args(["-r", &data]).status().unwrap();
    assert!(removed.success());
    copy(&backup, &data).unwrap();
    start_postgres(&running).await.unwrap();
    let migrated = running
        .stack
        .part("follow-graph", 0)
        .command()
        .args(["migrate", "--new-epoch"])
        .status()
        .unwrap();
    assert!(migrated.success());
    start_services(&running).await.unwrap();

    let new = person(&client, "eve").await;
    assert_ne!(new.id, undone.id, "no account has the number of one that is undone");
    assert_eq!(who_is(&client, &undone).await, 401, "its token is nobody's");
    assert_eq!(who_is(&client, &new).await, 200);
    assert_eq!(who_is(&client, &ada).await, 200, "who was there before stays logged in");

    ledger.forget_after(backed_up);
    ledger
        .verify(SETTLED_WITHIN)
        .await
        .unwrap_or_else(|error| panic!("after the restore: {error}\n{}", running.tell()));
    assert_eq!(
        client.scroll(&ada.token, 20).await.unwrap(),
        [],
        "the follow of bob is undone"
    );
    follow(&client, &ada, &cyd).await;
    assert_eq!(
        client.scroll(&ada.token, 20).await.unwrap(),
        [of_cyd],
        "another follow has its version"
    );
    ledger.run(Duration::from_secs(2)).await.unwrap();
    ledger
        .verify(SETTLED_WITHIN)
        .await
        .unwrap_or_else(|error| panic!("with new tweets after the restore: {error}\n{}", running.tell()));
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), [of_cyd]);
}

//! Operators ask why a tweet is not in a timeline from which somebody has removed it.

use std::process::Command;
use std::time::Duration;

use model::TweetId;
use test_support::{Client, Explanation, System};

use crate::support::{Person, TestStack, follow, person, post};

const LOOKS: u32 = 300;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// Cuts the newest id off every stored timeline.
const CUT: &str = "for _, key in ipairs(redis.call('KEYS', 't{*')) do
    local part = redis.call('GET', key)
    redis.call('SET', key, string.sub(part, 1, -9), 'KEEPTTL')
end";

fn verdicts<'a>(explanation: &'a Explanation, verdict: &'a str) -> Vec<&'a str> {
    let steps = explanation.steps.iter().filter(|step| step.verdict == verdict);
    steps.map(|step| step.rule.as_str()).collect()
}

/// What `timeline-read explain` prints, beside the running services.
fn told(running: &TestStack, user: &str, tweet: &str, more: &[&str]) -> String {
    let mut command = running.stack.part("timeline-read", 0).command();
    let output = command.args(["explain", "--user", user, "--tweet", tweet]).args(more);
    let output = output.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Reads until the timeline is stored.
async fn wait_until_stored(running: &TestStack, client: &Client, reader: &Person, tweet: TweetId) {
    for _ in 0..LOOKS {
        client.scroll(&reader.token, 20).await.unwrap();
        let explanation = running.stack.explain(reader.id, tweet).await.unwrap();
        if verdicts(&explanation, "give") == ["stored"] {
            return;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
    panic!("the timeline is never stored: {}", running.tell());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hole_in_a_stored_timeline_is_told_as_a_contradiction() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (ada, bob) = (person(&client, "ada").await, person(&client, "bob").await);
    follow(&client, &ada, &bob).await;
    let first = post(&client, &bob, "first").await;
    let lost = post(&client, &bob, "lost").await;
    running.stack.settle(&[first, lost]).await.unwrap();
    wait_until_stored(&running, &client, &ada, lost).await;
    let lost_name = lost.to_string();
    let said = told(&running, "ada", &lost_name, &[]);
    assert!(said.starts_with("VISIBLE, given by: stored"), "{said}");

    let mut redis = Command::new("redis-cli");
    let cut = redis.args(["-u", running.stack.redis_url(), "EVAL", CUT, "0"]).output();
    assert!(cut.unwrap().status.success());
    assert_eq!(client.scroll(&ada.token, 20).await.unwrap(), [first]);
    let explanation = running.stack.explain(ada.id, lost).await.unwrap();
    assert!(!explanation.visible);
    assert_eq!(verdicts(&explanation, "contradiction"), ["stored"], "{explanation:#?}");
    let said = told(&running, &ada.id.to_string(), &lost_name, &[]);
    assert!(
        said.starts_with("NOT VISIBLE: no source has it\nCONTRADICTION: stored: "),
        "{said}"
    );
    let json = told(&running, "@ada", &lost_name, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["visible"], false);
    let others = running.stack.explain(ada.id, first).await.unwrap();
    assert_eq!(verdicts(&others, "contradiction"), [""; 0], "{others:#?}");
}

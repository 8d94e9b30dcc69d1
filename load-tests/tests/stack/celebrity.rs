//! What a tweet of an author with very many followers costs, and a read of somebody who follows many such authors.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use futures::future::join_all;
use model::{TweetId, UserId};
use reqwest::Method;
use serde_json::Value;
use test_support::client::HomePage;
use test_support::{Client, PageQuery, Request, System};

use crate::support::{Person, TestStack, follow, person, post, variable};

/// Above this many followers an author is pulled.
const PULLED: u64 = 5_000;
/// Who is compared with whom; `ROOKERY_CELEBRITY_FOLLOWERS` says another number for the second.
const FOLLOWERS: [u64; 2] = [10_000, 500_000];
/// Tweets of each, whose cost is measured together.
const TWEETS: usize = 40;
/// Ids of followers whom nobody but the table of edges knows: one who is pulled costs them nothing.
const OF_FOLLOWERS: u64 = 1 << 40;

const TRIES: u32 = 600;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Edges as an import would make them, and the count that goes with them.
fn followers(running: &TestStack, of: UserId, followers: u64) {
    running.psql(&format!(
        "INSERT INTO followers SELECT {of}, {OF_FOLLOWERS} + n FROM generate_series(1, {followers}) n;
             INSERT INTO follows SELECT {OF_FOLLOWERS} + n, {of}, 1, true FROM generate_series(1, {followers}) n
                 ON CONFLICT DO NOTHING;
             INSERT INTO user_counts (user_id, followers) VALUES ({of}, {followers})
                 ON CONFLICT (user_id) DO UPDATE SET followers = {followers}"
    ));
}

/// The books of a tweet, once it is delivered.
async fn delivery(running: &TestStack, tweet: TweetId) -> Value {
    running.stack.settle(&[tweet]).await.unwrap();
    let operator = running.stack.operator();
    let path = format!("/admin/tweets/{tweet}/delivery");
    let request = Request::new(Method::GET, path).token(operator.token.as_deref());
    operator.fan_out.send(request).await.unwrap().expect(200).unwrap().body
}

/// Posts until a tweet is pulled: the crossing takes its time.
async fn until_pulled(running: &TestStack, client: &Client, author: &Person) {
    for attempt in 0..TRIES {
        let tweet = post(client, author, &format!("crossing-{attempt}")).await;
        let mode = delivery(running, tweet).await["mode"].clone();
        if mode == "pull" {
            return;
        }
        tokio::time::sleep(BETWEEN_TRIES).await;
    }
    panic!("{} is never pulled\n{}", author.id, running.tell());
}

/// Rows that PostgreSQL has inserted, changed and deleted, by table. Those of tables are left out where several tweets may share
/// a row (folded counts), or where rows are written as time passes (leases).
fn rows_written(running: &TestStack) -> BTreeMap<String, i64> {
    let rows = running.psql("SELECT relname, n_tup_ins + n_tup_upd + n_tup_del FROM pg_stat_user_tables
         WHERE relname IN ('tweets', 'outbox', 'deliveries', 'delivery_chunks', 'idempotency_keys', 'follows', 'followers')",
    );
    let rows = rows.lines().filter_map(|row| row.split_once('|'));
    rows.map(|(table, rows)| (table.to_owned(), rows.parse().unwrap()))
        .collect()
}

/// What is counted once nothing changes any more: servers tell of what they did within a second.
async fn at_rest(running: &TestStack) -> BTreeMap<String, i64> {
    let mut before = rows_written(running);
    for _ in 0..TRIES {
        tokio::time::sleep(Duration::from_millis(2_500)).await;
        let after = rows_written(running);
        if after == before {
            return after;
        }
        before = after;
    }
    panic!("PostgreSQL is never at rest\n{}", running.tell());
}

/// Bytes that PostgreSQL has logged and Redis has been sent, with what goes on all the time: to be told, not compared.
fn bytes_written(running: &TestStack) -> (u64, u64) {
    let logged = running.psql("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint");
    let mut redis = Command::new("redis-cli");
    let output = redis
        .args(["-u", running.stack.redis_url(), "INFO", "stats"])
        .output()
        .unwrap();
    let info = String::from_utf8(output.stdout).unwrap();
    let sent = info
        .lines()
        .find_map(|line| line.strip_prefix("total_net_input_bytes:"));
    (logged.parse().unwrap(), sent.unwrap().trim().parse().unwrap())
}

/// Rows written by so many tweets, by table, and deliveries.
async fn cost(running: &TestStack, client: &Client, author: &Person) -> (BTreeMap<String, i64>, u64) {
    let before = at_rest(running).await;
    let (logged, sent) = bytes_written(running);
    let mut delivered = 0;
    for number in 0..TWEETS {
        let tweet = post(client, author, &format!("measured-{number}")).await;
        let books = delivery(running, tweet).await;
        assert_eq!(books["mode"], "pull", "{books}");
        delivered += books["written"].as_u64().unwrap() + books["expected"].as_u64().unwrap();
    }
    let (logged_by_now, sent_by_now) = bytes_written(running);
    println!(
        "{TWEETS} tweets: PostgreSQL logged {} bytes, Redis was sent {}",
        logged_by_now - logged,
        sent_by_now - sent
    );
    let mut written = at_rest(running).await;
    for (table, rows) in &mut written {
        *rows -= before.get(table).copied().unwrap_or_default();
    }
    written.retain(|_, rows| *rows != 0);
    (written, delivered)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pulled_authors_tweet_costs_the_same_however_many_follow() {
    let settings = [("ROOKERY__TIMELINE__PULL_THRESHOLD", PULLED.to_string())];
    let settings = settings.each_ref().map(|(name, value)| (*name, value.as_str()));
    let Some(running) = TestStack::up(&["--strategy", "hybrid"], &settings).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let asked_for = variable("ROOKERY_CELEBRITY_FOLLOWERS").map(|number| number.parse().unwrap());
    let mut costs = Vec::new();
    for (number, many) in [FOLLOWERS[0], asked_for.unwrap_or(FOLLOWERS[1])]
        .into_iter()
        .enumerate()
    {
        let author = person(&client, &format!("star_{number}")).await;
        followers(&running, author.id, many);
        until_pulled(&running, &client, &author).await;
        let (written, delivered) = cost(&running, &client, &author).await;
        println!(
            "{TWEETS} tweets of an author with {many} followers: {delivered} deliveries, rows written: {written:?}"
        );
        assert_eq!(delivered, 0, "nothing goes to followers");
        costs.push(written);
    }
    assert_eq!(costs[0], costs[1], "{}", running.tell());
}

/// Who follow fifty of them read each one's newest, and no more than a page of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_from_fifty_pulled_authors_reads_a_page_of_each_at_most() {
    const AUTHORS: usize = 50;
    const EACH: usize = 30;
    const PAGE: usize = 20;
    const READS: usize = 5;
    let settings = [("ROOKERY__TIMELINE__PULL_THRESHOLD", "5000")];
    let Some(running) = TestStack::up(&["--strategy", "hybrid"], &settings).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let reader = person(&client, "reader").await;
    let authors = (0..AUTHORS).map(|number| format!("star_{number}"));
    let authors = join_all(authors.map(async |handle| {
        let author = person(&client, &handle).await;
        running.psql(&format!(
            "INSERT INTO user_counts (user_id, followers) VALUES ({}, 10000)",
            author.id
        ));
        follow(&client, &reader, &author).await;
        author
    }))
    .await;
    for author in &authors {
        until_pulled(&running, &client, author).await;
    }
    join_all(authors.iter().map(async |author| {
        for number in 0..EACH {
            post(&client, author, &format!("tweet-{number}")).await;
        }
    }))
    .await;
    let page = PageQuery::limit(PAGE);
    // The first read builds what is stored of those who are pushed.
    client.complete_home(&reader.token, &page).await.unwrap();
    let most = (AUTHORS + 1) * (PAGE + 1) + PAGE;
    let most = i64::try_from(most).unwrap();
    // Others read too at times, such as an audit; and a page that is not complete yet is asked for once more.
    let mut fewest = i64::MAX;
    for _ in 0..READS {
        at_rest(&running).await;
        let before = rows_read(&running);
        let home: HomePage = client.complete_home(&reader.token, &page).await.unwrap();
        assert_eq!(home.tweets.len(), PAGE);
        at_rest(&running).await;
        fewest = fewest.min(rows_read(&running) - before);
        if fewest <= most {
            break;
        }
    }
    println!("a page of {PAGE} from {AUTHORS} pulled authors with {EACH} tweets each: {fewest} rows of tweets read");
    assert!(fewest <= most, "{fewest} rows, at most {most}");
}

/// Rows of the table of tweets that were found through an index, or by walking the table.
fn rows_read(running: &TestStack) -> i64 {
    let indexes = "SELECT coalesce(sum(idx_tup_read), 0) FROM pg_stat_user_indexes WHERE relname = 'tweets'";
    let table = "SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'tweets'";
    let number = |sql: &str| running.psql(sql).parse::<i64>().unwrap();
    number(indexes) + number(table)
}

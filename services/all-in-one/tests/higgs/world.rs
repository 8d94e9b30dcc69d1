//! The program with the graph in it, those who post and those who read.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use model::{Strategy, TweetId, UserId};
use serde_json::Value;
use tempfile::TempDir;
use test_support::client::TweetBody;
use test_support::{Client, ClientError, Oracle, ProcessOptions, RookeryProcess, Rules, Stop, System};

use crate::graph::Graph;
use crate::signer::Signer;

const MOST_FOLLOWED: usize = 100;
const OTHERS: usize = 1_000;
const READERS: usize = 1_000;
/// Requests at a time.
const AT_A_TIME: usize = 32;

/// An account of the graph.
#[derive(Debug, Clone)]
struct Account {
    number: u64,
    id: UserId,
    token: String,
}

/// A tweet that somebody has posted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Posted {
    author: u64,
    id: TweetId,
}

pub(crate) struct World {
    process: RookeryProcess,
    client: Client,
    graph: Graph,
    pull_threshold: u64,
    accounts: HashMap<u64, Account>,
    authors: Vec<u64>,
    readers: Vec<u64>,
    oracle: Oracle,
    posts: AtomicUsize,
    _dir: TempDir,
}

impl World {
    /// Starts the program, imports the graph into it and gets everybody a token.
    pub(crate) async fn import(file: &Path, pull_threshold: u64) -> Self {
        let dir = tempfile::Builder::new()
            .prefix("rookery-higgs-")
            .tempdir()
            .expect("a folder for the test");
        let process = RookeryProcess::start(ProcessOptions {
            binary: env!("CARGO_BIN_EXE_rookery").into(),
            dir: dir.path().to_owned(),
            settings: vec![
                ("ROOKERY__TIMELINE__PULL_THRESHOLD", pull_threshold.to_string()),
                ("ROOKERY__TIMELINE__PUSH_THRESHOLD", pull_threshold.to_string()),
            ],
        });
        let process = process.await.expect("the program starts");
        command(&process, &["import-graph", &file.to_string_lossy()]);
        let graph = Graph::read(file);
        let mut authors = graph.most_followed(MOST_FOLLOWED);
        authors.extend(graph.sample(OTHERS, 1));
        let mut world = Self {
            client: Client::new(process.public()),
            readers: readers(&graph, &authors),
            accounts: HashMap::new(),
            oracle: Oracle::new(usize::MAX),
            posts: AtomicUsize::new(0),
            _dir: dir,
            process,
            graph,
            pull_threshold,
            authors,
        };
        world.find_accounts().await;
        world
    }

    /// Tokens in the operator's way: one from the command line, the others signed in its manner.
    async fn find_accounts(&mut self) {
        let mut numbers: Vec<u64> = self.authors.iter().chain(&self.readers).copied().collect();
        numbers.sort_unstable();
        numbers.dedup();
        let handle = format!("u{}", numbers[0]);
        let token = command(&self.process, &["token", "--handle", &handle]);
        let signer = Signer::new(&self.process.data_dir(), token.trim());
        let client = &self.client;
        let found = stream::iter(numbers).map(async |number| {
            let answer = client
                .get(&format!("/v1/users/by-handle/u{number}"), None)
                .await
                .expect("an answer");
            let id = answer.expect(200).expect("the import made the account").body["id"].clone();
            let id = id.as_str().expect("an id").to_owned();
            let token = signer.for_account(&id, &format!("u{number}"));
            let id = id.parse().expect("an id");
            (number, Account { number, id, token })
        });
        self.accounts = found.buffer_unordered(AT_A_TIME).collect().await;
        for account in self.accounts.values() {
            self.oracle.sign_up(account.id);
            for followed in self.graph.following.get(&account.number).into_iter().flatten() {
                if let Some(author) = self.accounts.get(followed) {
                    self.oracle.import_follow(account.id, author.id);
                }
            }
        }
    }

    pub(crate) fn process(&self) -> &RookeryProcess {
        &self.process
    }

    /// Everybody who posts.
    pub(crate) fn everybody(&self) -> Vec<u64> {
        self.authors.clone()
    }

    /// So many of them, the most followed first.
    pub(crate) fn some(&self, count: usize) -> Vec<u64> {
        self.authors[..count].to_vec()
    }

    /// Posts one tweet for each and waits until they are delivered.
    pub(crate) async fn post(&mut self, authors: Vec<u64>, text: &str) -> Vec<Posted> {
        let this = &*self;
        let keyed = authors.into_iter().map(|author| (author, this.new_key()));
        let posted = stream::iter(keyed).map(|(author, key)| this.post_one(author, text, key));
        let posted: Vec<Result<Posted, ClientError>> = posted.buffer_unordered(AT_A_TIME).collect().await;
        let posted = posted
            .into_iter()
            .map(|result| result.expect("the tweet is accepted"))
            .collect();
        self.note(posted).await
    }

    /// Kills the program when half of the tweets are posted, starts it again, and repeats those that were not answered.
    pub(crate) async fn post_and_kill(&mut self, authors: Vec<u64>) {
        let this = &*self;
        let kill_at = authors.len() / 2;
        let answered = AtomicUsize::new(0);
        let posting = stream::iter(authors).map(async |author| {
            let key = this.new_key();
            let result = this.post_one(author, "while it is killed", key.clone()).await;
            answered.fetch_add(1, Ordering::SeqCst);
            result.map_err(|_| (author, key))
        });
        let killing = async {
            while answered.load(Ordering::SeqCst) < kill_at {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            this.process.end(Stop::Abrupt).await.expect("it can be killed");
        };
        let (results, ()) = futures::join!(posting.buffer_unordered(8).collect::<Vec<_>>(), killing);
        this.process.launch().await.expect("it starts again");
        let mut posted = Vec::new();
        let mut repeated = 0;
        for result in results {
            posted.push(match result {
                Ok(posted) => posted,
                Err((author, key)) => {
                    repeated += 1;
                    this.post_one(author, "while it is killed", key)
                        .await
                        .expect("the tweet is accepted")
                }
            });
        }
        assert!(repeated > 0, "it was killed in the middle");
        self.note(posted).await;
    }

    async fn post_one(&self, author: u64, text: &str, key: String) -> Result<Posted, ClientError> {
        let token = &self.accounts[&author].token;
        let answer = self.client.post(token, text, None, &key).await?.expect(201)?;
        let id = answer.parse::<TweetBody>()?.id;
        Ok(Posted { author, id })
    }

    fn new_key(&self) -> String {
        format!("post-{}", self.posts.fetch_add(1, Ordering::Relaxed))
    }

    async fn note(&mut self, posted: Vec<Posted>) -> Vec<Posted> {
        for post in &posted {
            self.oracle.post(post.id, self.accounts[&post.author].id, None);
        }
        let ids: Vec<TweetId> = posted.iter().map(|post| post.id).collect();
        self.process.settle(&ids).await.expect("all are delivered");
        posted
    }

    /// Every reader's home timeline, to its end.
    pub(crate) async fn compare_homes(&self, when: &str) {
        let reading = stream::iter(&self.readers).map(async |number| {
            let reader = &self.accounts[number];
            let home = self.client.scroll(&reader.token, 100).await.expect("a home timeline");
            assert_eq!(home, self.oracle.home(reader.id), "u{number}'s home timeline {when}");
            home.len()
        });
        let shown: usize = reading
            .buffer_unordered(AT_A_TIME)
            .collect::<Vec<_>>()
            .await
            .into_iter()
            .sum();
        assert!(shown > self.readers.len(), "there is something to read");
    }

    pub(crate) async fn set_rules(&self, strategy: Strategy) {
        let rules = Rules {
            strategy,
            pull_threshold: self.pull_threshold,
            push_threshold: self.pull_threshold,
        };
        self.process.set_rules(rules).await.expect("the rules are set");
    }

    /// Changes the strategy and waits until new tweets travel by it.
    pub(crate) async fn change_to(&mut self, strategy: Strategy) {
        self.set_rules(strategy).await;
        self.wait_for(strategy, strategy.as_str()).await;
    }

    /// Waits until the tweets of the most followed accounts travel like this.
    pub(crate) async fn wait_for(&mut self, strategy: Strategy, mode: &str) {
        for _ in 0..100 {
            let wave = self.post(self.some(MOST_FOLLOWED), "a probe").await;
            let mut there = 0;
            for post in &wave {
                there += usize::from(self.record(post.id).await["mode"] == mode);
            }
            if there == wave.len() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
        panic!("{} never comes into force", strategy.as_str());
    }

    /// How many timeline entries these were written into; all of them must have travelled like this.
    pub(crate) async fn written(&self, wave: &[Posted], mode: &str) -> u64 {
        let mut written = 0;
        for post in wave {
            let record = self.record(post.id).await;
            assert_eq!(record["mode"], mode, "{record}");
            written += self.check_counts(post, &record);
        }
        written
    }

    /// The huge are pulled and the small are pushed.
    pub(crate) async fn check_hybrid(&self, wave: &[Posted]) {
        for post in wave {
            let record = self.record(post.id).await;
            let huge = self.graph.followers_of(post.author) >= self.pull_threshold;
            assert_eq!(record["mode"], if huge { "pull" } else { "push" }, "{record}");
            self.check_counts(post, &record);
        }
    }

    /// What was expected is what was written or skipped.
    fn check_counts(&self, post: &Posted, record: &Value) -> u64 {
        let count = |name: &str| record[name].as_u64().expect("a number");
        let pulled = record["mode"] == "pull";
        let expected = if pulled {
            0
        } else {
            self.graph.followers_of(post.author)
        };
        assert_eq!(count("expected"), expected, "{record}");
        assert_eq!(count("written") + count("skipped"), expected, "{record}");
        count("written")
    }

    async fn record(&self, tweet: TweetId) -> Value {
        let client = Client::new(self.process.operator().fan_out.clone());
        let answer = client.get(&format!("/admin/tweets/{tweet}/delivery"), None).await;
        answer
            .and_then(|answer| answer.expect(200))
            .expect("a delivery record")
            .body
    }
}

/// Half of them follow somebody who posts, half are any.
fn readers(graph: &Graph, authors: &[u64]) -> Vec<u64> {
    let authors: HashSet<u64> = authors.iter().copied().collect();
    let all = graph.sample(usize::MAX, 2);
    let follows_an_author = |reader: &&u64| graph.following[*reader].iter().any(|author| authors.contains(author));
    let mut readers: Vec<u64> = all
        .iter()
        .filter(follows_an_author)
        .take(READERS / 2)
        .copied()
        .collect();
    let taken: HashSet<u64> = readers.iter().copied().collect();
    readers.extend(all.iter().filter(|reader| !taken.contains(reader)).take(READERS / 2));
    readers
}

/// Runs a command of the program beside the running one; answers what it prints.
fn command(process: &RookeryProcess, arguments: &[&str]) -> String {
    let output = process.command().args(arguments).output().expect("the program runs");
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        output.status.success(),
        "{arguments:?}: {printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    printed
}

//! A replica that is stopped while the world changes must not answer from before: once it goes on it says what is right, or
//! 503. While follow-graph is stopped, the other services go on.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use model::{EdgeKind, TweetId, UserId};
use reqwest::Method;
use test_support::client::{HomePage, TweetBody};
use test_support::{Answer, Client, PageQuery, Part, Request, Stack, System, Transport};

use crate::support::TestStack;

const PASSWORD: &str = "correct horse";

/// How often a replica that has gone on is asked, until it answers.
const TRIES: u32 = 100;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);
/// How often a change is hidden from a replica. An even number: all is as before then.
const UNHEARD: u32 = 8;
/// In which a question reaches the socket of the replica that is to find it there.
const UNDER_WAY: Duration = Duration::from_millis(50);

struct World<'a> {
    running: &'a TestStack,
    /// The replicas that are never stopped.
    graph: Client,
    ingest: Client,
    ann: Account,
    bob: Account,
    cat: Account,
    /// What Bob, whom Ann follows, and Cat have posted.
    by_bob: TweetId,
    by_cat: TweetId,
}

struct Account {
    id: UserId,
    token: String,
}

fn public(stack: &Stack, name: &str, replica: u32) -> Arc<dyn Transport> {
    stack.part(name, replica).public().unwrap()
}

fn get(path: impl Into<String>, token: &str) -> Request {
    Request::new(Method::GET, path).token(Some(token))
}

async fn account(client: &Client, handle: &str) -> Account {
    client.sign_up(handle, PASSWORD).await.unwrap().expect(201).unwrap();
    let session = client.log_in(handle, PASSWORD).await.unwrap();
    Account {
        id: session.user.id,
        token: session.token,
    }
}

impl<'a> World<'a> {
    async fn new(running: &'a TestStack) -> Self {
        let graph = Client::new(public(&running.stack, "follow-graph", 1));
        let ingest = Client::new(public(&running.stack, "tweet-ingest", 1));
        let (ann, bob) = (account(&graph, "ann").await, account(&graph, "bob").await);
        let cat = account(&graph, "cat").await;
        let (by_bob, by_cat) = (post(&ingest, &bob).await, post(&ingest, &cat).await);
        let world = Self {
            running,
            graph,
            ingest,
            ann,
            bob,
            cat,
            by_bob,
            by_cat,
        };
        world.edge(&world.ann, EdgeKind::Follow, &world.bob, true).await;
        world
    }

    async fn edge(&self, actor: &Account, kind: EdgeKind, target: &Account, present: bool) {
        let answer = self.graph.set_edge(&actor.token, kind, target.id, present).await;
        answer.unwrap().expect(204).unwrap();
    }

    async fn delete(&self, author: &Account, tweet: TweetId) {
        let answer = self.ingest.delete_tweet(&author.token, tweet).await;
        answer.unwrap().expect(204).unwrap();
    }

    fn home(&self) -> Request {
        get("/v1/timelines/home", &self.ann.token)
    }

    /// `part` stops, knowing the answer to `question` as it was; `change` goes on elsewhere; `part` finds the question when
    /// it goes on, and must give an answer that is `right`.
    async fn stopped_during<T>(
        &self,
        part: &Part,
        question: Request,
        change: impl Future<Output = T>,
        right: impl Fn(&Answer, &T) -> bool,
    ) -> T {
        let asked = part.public().unwrap();
        let before = Client::new(Arc::clone(&asked)).send(question.clone()).await.unwrap();
        part.pause().unwrap();
        let changed = change.await;
        let (answer, ()) = tokio::join!(asked.send(question.clone()), async {
            tokio::time::sleep(UNDER_WAY).await;
            part.resume().unwrap();
        });
        let mut answer = answer.unwrap();
        for _ in 0..TRIES {
            let tell = || format!("{part} answered {answer:?}, before {before:?}\n{}", self.running.tell());
            if answer.status == 503 {
                assert!(answer.headers.contains_key("retry-after"), "{}", tell());
            } else {
                assert!(right(&answer, &changed), "{}", tell());
                if answer.body["complete"] != false {
                    return changed;
                }
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
            answer = asked.send(question.clone()).await.unwrap();
        }
        panic!("{part} never answers: {answer:?}\n{}", self.running.tell());
    }

    /// What Ann does shows in her next read; stopped for so long.
    async fn own_doings(&self, stopped_for: Duration) {
        let reads = self.running.stack.part("timeline-read", 0);
        let (bob, cat) = (self.by_bob, self.by_cat);
        let edges: [(EdgeKind, &Account, bool, &[TweetId]); 6] = [
            (EdgeKind::Follow, &self.cat, true, &[cat, bob]),
            (EdgeKind::Mute, &self.bob, true, &[cat]),
            (EdgeKind::Mute, &self.bob, false, &[cat, bob]),
            (EdgeKind::Block, &self.cat, true, &[bob]),
            (EdgeKind::Block, &self.cat, false, &[cat, bob]),
            (EdgeKind::Follow, &self.cat, false, &[bob]),
        ];
        for (kind, target, present, shown) in edges {
            let change = async {
                self.edge(&self.ann, kind, target, present).await;
                tokio::time::sleep(stopped_for).await;
            };
            let right = |answer: &Answer, (): &()| shows(answer, shown);
            self.stopped_during(reads, self.home(), change, right).await;
        }
        let change = async {
            let own = post(&self.ingest, &self.ann).await;
            tokio::time::sleep(stopped_for).await;
            own
        };
        let right = |answer: &Answer, own: &TweetId| shows(answer, &[*own, bob]);
        let own = self.stopped_during(reads, self.home(), change, right).await;
        let change = async {
            self.delete(&self.ann, own).await;
            tokio::time::sleep(stopped_for).await;
        };
        let right = |answer: &Answer, (): &()| shows(answer, &[bob]);
        self.stopped_during(reads, self.home(), change, right).await;
    }

    /// A replica that has heard of nothing, and whose confirmation still holds, goes by the version that the reader must see.
    async fn unheard_doings(&self) {
        let reads = Client::new(public(&self.running.stack, "timeline-read", 0));
        let (bob, cat) = (self.by_bob, self.by_cat);
        let (mut present, mut answered) = (false, 0);
        for _ in 0..UNHEARD {
            let home = async || reads.send(self.home()).await.unwrap();
            let expected = |present| if present { vec![cat, bob] } else { vec![bob] };
            // It has cached what holds now.
            let mut before = home().await;
            while before.status != 200 || !shows(&before, &expected(present)) {
                tokio::time::sleep(BETWEEN_TRIES).await;
                before = home().await;
            }
            let no_news = NoNews::hold(&self.running.stack);
            present = !present;
            self.edge(&self.ann, EdgeKind::Follow, &self.cat, present).await;
            let answer = home().await;
            drop(no_news);
            if answer.status != 503 {
                let tell = || format!("{answer:?}, before {before:?}\n{}", self.running.tell());
                assert!(shows(&answer, &expected(present)), "{}", tell());
                answered += 1;
            }
        }
        assert!(answered > 0, "it always came too late\n{}", self.running.tell());
    }

    /// What others do shows once a confirmation holds no longer.
    async fn doings_of_others(&self) {
        let (reads, tweets) = (
            ("timeline-read", self.home()),
            ("tweet-ingest", self.tweet(self.by_bob)),
        );
        for (name, question) in [reads, tweets] {
            for blocked in [true, false] {
                let change = async {
                    self.edge(&self.bob, EdgeKind::Block, &self.ann, blocked).await;
                    tokio::time::sleep(self.running.stack.staleness()).await;
                };
                let right = |answer: &Answer, (): &()| match (name, blocked) {
                    ("timeline-read", true) => shows(answer, &[]),
                    ("timeline-read", false) => shows(answer, &[self.by_bob]),
                    (_, blocked) => answer.status == if blocked { 404 } else { 200 },
                };
                let part = self.running.stack.part(name, 0);
                self.stopped_during(part, question.clone(), change, right).await;
            }
        }
    }

    fn tweet(&self, tweet: TweetId) -> Request {
        get(format!("/v1/tweets/{tweet}"), &self.ann.token)
    }

    /// Reads and posts go on without a follow-graph; when it goes on, it knows that a session has ended.
    async fn follow_graph_stopped(&self) {
        let session = self.graph.log_in("ann", PASSWORD).await.unwrap();
        let change = async {
            self.edge(&self.ann, EdgeKind::Follow, &self.cat, true).await;
            let own = post(&self.ingest, &self.ann).await;
            for replica in [0, 1] {
                let reads = Client::new(public(&self.running.stack, "timeline-read", replica));
                let page = reads
                    .complete_home(&self.ann.token, &PageQuery::default())
                    .await
                    .unwrap();
                assert_eq!(ids(&page), [own, self.by_cat, self.by_bob], "{}", self.running.tell());
            }
            let end = Request::new(Method::DELETE, "/v1/sessions/current").token(Some(&session.token));
            self.graph.send(end).await.unwrap().expect(204).unwrap();
            tokio::time::sleep(self.running.stack.staleness()).await;
        };
        let right = |answer: &Answer, (): &()| answer.status == 401;
        let graph = self.running.stack.part("follow-graph", 0);
        let question = get("/v1/users/me", &session.token);
        self.stopped_during(graph, question, change, right).await;
    }
}

/// While this is there, no change of the graph gets its place: replicas hear of none, and go by what they have confirmed.
struct NoNews(Child);

impl NoNews {
    /// `changes` in ASCII: what whoever places changes holds.
    const LOCK: u64 = 0x63_68_61_6e_67_65_73;

    fn hold(stack: &Stack) -> Self {
        let mut psql = Command::new("psql");
        psql.args([stack.postgres_url(), "--quiet", "--tuples-only", "--no-align"]);
        let mut psql = psql.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let lock = format!("SELECT 'held' || pg_advisory_lock({})::text;\n", Self::LOCK);
        psql.stdin.as_mut().unwrap().write_all(lock.as_bytes()).unwrap();
        let mut said = String::new();
        BufReader::new(psql.stdout.as_mut().unwrap())
            .read_line(&mut said)
            .unwrap();
        assert_eq!(said.trim(), "held");
        Self(psql)
    }
}

impl Drop for NoNews {
    fn drop(&mut self) {
        // At the end of what it reads it ends, and lets go.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

async fn post(ingest: &Client, author: &Account) -> TweetId {
    let key = format!("{}-{}", author.id, rand::random::<u64>());
    let answer = ingest.post(&author.token, "hello", None, &key).await.unwrap();
    let tweet: TweetBody = answer.expect(201).unwrap().parse().unwrap();
    tweet.id
}

fn ids(page: &HomePage) -> Vec<TweetId> {
    page.tweets.iter().map(|tweet| tweet.id).collect()
}

/// Whether a home timeline has these tweets, or says that it lacks some.
fn shows(answer: &Answer, expected: &[TweetId]) -> bool {
    let Ok(page) = answer.parse::<HomePage>() else {
        return false;
    };
    let ids = ids(&page);
    ids == expected || (!page.complete && ids.iter().all(|id| expected.contains(id)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_was_stopped_never_answers_from_before() {
    let kept_in_memory = ("ROOKERY__REDIS__NEAR_TWEETS_MIB", "8");
    let Some(running) = TestStack::up(&["--strategy", "hybrid"], &[kept_in_memory]).await else {
        return;
    };
    let world = World::new(&running).await;
    // A confirmation from before still holds, and then not.
    for stopped_for in [Duration::ZERO, running.stack.staleness()] {
        world.own_doings(stopped_for).await;
    }
    world.unheard_doings().await;
    world.doings_of_others().await;
    world.follow_graph_stopped().await;
}

//! The books, as the processes of fan-out show them: they agree at rest, whatever was killed, and tell of what is lost.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use model::TweetId;
use test_support::{Client, Part, System};

use crate::faults::SETTLED_WITHIN;
use crate::support::{TestStack, follow, person, post};

/// Longer than two looks at what does not agree.
const CLOSED_WITHIN: Duration = Duration::from_mins(1);

/// What a process shows, by name and labels.
pub(crate) struct Shown(HashMap<String, u64>);

impl Shown {
    async fn by(part: &Part) -> Self {
        let answer = reqwest::get(format!("{}/metrics", part.internal_url())).await.unwrap();
        let text = answer.text().await.unwrap();
        let metric = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        };
        Self(text.lines().filter_map(metric).collect())
    }

    fn of(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn tweets(&self, figure: &str) -> u64 {
        self.of(&format!("rookery_books_tweets_total{{figure=\"{figure}\"}}"))
    }

    pub(crate) fn deliveries(&self, figure: &str) -> u64 {
        self.of(&format!("rookery_books_deliveries_total{{figure=\"{figure}\"}}"))
    }

    fn differences(&self) -> [u64; 2] {
        ["tweets", "deliveries"].map(|book| self.of(&format!("rookery_books_difference_total{{book=\"{book}\"}}")))
    }

    fn tell(&self) -> String {
        let mut books: Vec<_> = self.0.iter().filter(|(name, _)| name.contains("books")).collect();
        books.sort_unstable_by_key(|(name, _)| *name);
        format!("{books:#?}")
    }
}

/// Waits until a process has closed its books over so many tweets.
async fn closed(part: &Part, tweets: u64) -> Shown {
    let begun = Instant::now();
    loop {
        let shown = Shown::by(part).await;
        if shown.tweets("accepted") >= tweets {
            return shown;
        }
        assert!(
            begun.elapsed() < CLOSED_WITHIN,
            "not {tweets} tweets in {}",
            shown.tell()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// At rest: every process shows that as many tweets as there are were accepted, and done, and that all followers are
/// accounted for. Answers what one of them shows.
pub(crate) async fn assert_balanced(running: &TestStack) -> Shown {
    let tweets: u64 = running.psql("SELECT count(*) FROM tweets").parse().unwrap();
    let mut shown = Vec::new();
    for part in running.stack.replicas("fan-out") {
        shown.push(closed(part, tweets).await);
    }
    for shown in &shown {
        let [accepted, done, aside] = ["accepted", "done", "aside"].map(|figure| shown.tweets(figure));
        let figures = ["expected", "written", "no_timeline", "unfollowed"];
        let [expected, written, no_timeline, unfollowed] = figures.map(|figure| shown.deliveries(figure));
        assert_eq!([accepted, done + aside], [tweets; 2], "{}", shown.tell());
        assert_eq!(expected, written + no_timeline + unfollowed, "{}", shown.tell());
        assert_eq!(shown.differences(), [0; 2], "{}", shown.tell());
        let of_process = ["rookery_backlog_deliveries", "rookery_deliveries_unaccounted_total"];
        assert_eq!(of_process.map(|name| shown.of(name)), [0; 2]);
    }
    let last = shown.pop().unwrap();
    println!(
        "the books: {} tweets accepted, {} done; {} deliveries expected, {} written, {} without a timeline, {} unfollowed",
        last.tweets("accepted"),
        last.tweets("done"),
        last.deliveries("expected"),
        last.deliveries("written"),
        last.deliveries("no_timeline"),
        last.deliveries("unfollowed")
    );
    last
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_lost_is_in_the_books_of_every_process() {
    let Some(running) = TestStack::up(&["--strategy", "push"], &[]).await else {
        return;
    };
    let client = Client::new(running.stack.public());
    let (ada, bob) = (person(&client, "ada").await, person(&client, "bob").await);
    follow(&client, &ada, &bob).await;
    let good = post(&client, &bob, "good").await;
    running.stack.settle(&[good]).await.unwrap();
    assert_balanced(&running).await;

    // As a fault would: a tweet that nobody was told of, and one whose record lacks two followers. Their ids are ahead, so
    // that both are there when their range is closed.
    let ahead = TweetId::first_at(good.unix_ms() + u64::try_from(SETTLED_WITHIN.as_millis()).unwrap());
    let (untold, short) = (ahead.get(), ahead.get() + 1);
    let lose = format!(
        "INSERT INTO tweets (author, id, handle, display_name, text)
            VALUES ({0}, {untold}, 'bob', 'bob', 't'), ({0}, {short}, 'bob', 'bob', 't');
        INSERT INTO deliveries (tweet, author, mode, expected, written, skipped, accepted_at_ms, finished_at_ms)
            VALUES ({short}, {0}, 0, 5, 2, 1, {1}, {1})",
        bob.id,
        ahead.unix_ms()
    );
    running.psql(&lose);
    for part in running.stack.replicas("fan-out") {
        let shown = closed(part, 3).await;
        assert_eq!(shown.tweets("done"), 2, "{}", shown.tell());
        assert_eq!(shown.differences(), [1, 2], "{}", shown.tell());
    }
}

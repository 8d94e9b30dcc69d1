//! Steps that change something. Each is followed by its author's own read: one's own changes show at once.

use futures::future::join_all;
use model::EdgeKind;

use super::{Checked, Member, Runner, broken};
use crate::client::{HomePage, PageQuery, TweetBody};
use crate::history::{Label, Seat, Step};
use crate::oracle::Refusal;
use crate::transport::{Answer, ClientError};
use crate::view::{Scroll, View};

/// Enough for all tweets of most histories, and more than any stored window.
const WHOLE: usize = 100;

impl Runner<'_> {
    pub(super) async fn write(&mut self, step: &Step) -> Checked {
        match step {
            Step::SignUp(seat) => self.sign_up(*seat).await,
            Step::DeleteAccount(seat) => self.delete_account(*seat).await,
            Step::Edge {
                kind,
                actor,
                target,
                present,
            } => self.set_edge(*kind, *actor, *target, *present).await,
            Step::Post {
                by,
                tweet,
                reply_to,
                repeat,
            } => self.post(*by, *tweet, *reply_to, *repeat).await,
            Step::Race { posts, readers } => self.race(posts, readers).await,
            Step::DeleteTweet { by, tweet } => self.delete_tweet(*by, *tweet).await,
            _ => Ok(()),
        }
    }

    async fn sign_up(&mut self, seat: Seat) -> Checked {
        let handle = format!("{}_{}", self.prefix, seat.0);
        let password = format!("{handle}-password");
        let answer = self.client.sign_up(&handle, &password).await?;
        if self.members.contains_key(&seat) {
            answer.expect_problem(409, "handle-taken")?;
            return Ok(());
        }
        answer.expect(201)?;
        let session = self.client.log_in(&handle, &password).await?;
        let member = Member {
            seat,
            id: session.user.id,
            handle,
            token: session.token,
        };
        self.oracle.sign_up(member.id);
        self.read_own(&member).await?;
        self.members.insert(seat, member);
        Ok(())
    }

    async fn delete_account(&mut self, seat: Seat) -> Checked {
        let Some(member) = self.member(seat) else { return Ok(()) };
        let answer = self.client.delete_account(&member.token).await?;
        if self.is_gone(&member, &answer)? {
            return Ok(());
        }
        if !done_by_an_earlier_try(&answer, "revoked-token") {
            answer.expect(204)?;
        }
        self.oracle.delete_account(member.id);
        self.others_may_see().await;
        let answer = self.client.home(&member.token, &PageQuery::default()).await?;
        answer.expect_problem(401, "revoked-token")?;
        Ok(())
    }

    async fn set_edge(&mut self, kind: EdgeKind, actor: Seat, target: Seat, present: bool) -> Checked {
        let (Some(actor), Some(target)) = (self.member(actor), self.member(target)) else {
            return Ok(());
        };
        let answer = self.client.set_edge(&actor.token, kind, target.id, present).await?;
        if self.is_gone(&actor, &answer)? {
            return Ok(());
        }
        let is_new = present && !self.oracle.has_edge(kind, actor.id, target.id);
        let allowed = self.oracle.set_edge(kind, actor.id, target.id, present);
        expect(answer, 204, allowed)?;
        if allowed.is_ok() && is_new && kind == EdgeKind::Follow {
            let accepted = self.oracle.tweets().len();
            self.knowledge.followed(actor.id, target.id, accepted);
        }
        if kind == EdgeKind::Block {
            self.others_may_see().await;
        }
        self.read_own(&actor).await
    }

    async fn post(&mut self, by: Seat, label: Label, reply_to: Option<Label>, repeat: bool) -> Checked {
        let Some(author) = self.member(by) else { return Ok(()) };
        let original = match reply_to.map(|original| self.tweets.get(&original)) {
            None => None,
            Some(Some(original)) => Some(original.id),
            Some(None) => return Ok(()),
        };
        let (text, key) = (text_of(label), key_of(label));
        let answer = self.client.post(&author.token, &text, original, &key).await?;
        if self.is_gone(&author, &answer)? {
            return Ok(());
        }
        let allowed = original.map_or(Ok(()), |original| self.oracle.may_reply(author.id, original));
        let answer = expect(answer, 201, allowed)?;
        if allowed.is_ok() {
            let tweet: TweetBody = answer.parse()?;
            check_posted(&tweet, &author, label)?;
            if tweet.in_reply_to_id != original {
                return broken(format!("it answers {:?}", tweet.in_reply_to_id));
            }
            self.accepted(label, tweet);
            if repeat {
                let again = self
                    .client
                    .post(&author.token, &text, original, &key)
                    .await?
                    .expect(201)?;
                if again.body != answer.body {
                    return broken(format!("repeated under its key, it is another tweet: {}", again.body));
                }
            }
        }
        self.read_own(&author).await
    }

    async fn delete_tweet(&mut self, by: Seat, label: Label) -> Checked {
        let (Some(by), Some(tweet)) = (self.member(by), self.tweets.get(&label).cloned()) else {
            return Ok(());
        };
        let answer = self.client.delete_tweet(&by.token, tweet.id).await?;
        if self.is_gone(&by, &answer)? {
            return Ok(());
        }
        let mut allowed = self.oracle.delete_tweet(by.id, tweet.id);
        if self.oracle.across_block(by.id, tweet.author.id) && answer.status == 404 {
            // Somebody else's tweet across a block may be refused as theirs, or as not there.
            allowed = allowed.map_err(|_| Refusal::NoSuchTweet);
        }
        if allowed.is_err() || !done_by_an_earlier_try(&answer, "no-such-tweet") {
            expect(answer, 204, allowed)?;
        }
        self.others_may_see().await;
        self.read_own(&by).await
    }

    /// Posts and reads at once: each read may show any of the new tweets, and must show all that was there before.
    async fn race(&mut self, posts: &[(Seat, Label)], readers: &[Seat]) -> Checked {
        let present = |seat: &Seat| self.member(*seat).filter(|member| self.oracle.exists(member.id));
        let authors: Vec<(Member, Label)> = posts
            .iter()
            .filter_map(|(by, label)| Some((present(by)?, *label)))
            .collect();
        let readers: Vec<(Member, View)> = readers
            .iter()
            .filter_map(present)
            .map(|reader| (reader.clone(), self.knowledge.view(&self.oracle, reader.id)))
            .collect();
        let client = &self.client;
        let posting = join_all(authors.iter().map(async |(author, label)| {
            let answer = client
                .post(&author.token, &text_of(*label), None, &key_of(*label))
                .await?;
            answer.expect(201)?.parse::<TweetBody>()
        }));
        let query = PageQuery::limit(WHOLE);
        let reading = join_all(
            readers
                .iter()
                .map(|(reader, _)| client.complete_home(&reader.token, &query)),
        );
        let (posted, pages) = futures::join!(posting, reading);
        self.accept_all(&authors, posted)?;
        for ((reader, before), page) in readers.iter().zip(pages) {
            self.check_raced(reader, before, &page?)?;
        }
        for (author, _) in &authors {
            self.read_own(author).await?;
        }
        Ok(())
    }

    fn accept_all(&mut self, authors: &[(Member, Label)], posted: Vec<Result<TweetBody, ClientError>>) -> Checked {
        let posted: Vec<TweetBody> = posted.into_iter().collect::<Result<_, _>>()?;
        for ((author, label), tweet) in authors.iter().zip(&posted) {
            check_posted(tweet, author, *label)?;
        }
        let mut in_order: Vec<(Label, TweetBody)> = authors.iter().map(|(_, label)| *label).zip(posted).collect();
        in_order.sort_by_key(|(_, tweet)| tweet.id);
        for (label, tweet) in in_order {
            self.accepted(label, tweet);
        }
        Ok(())
    }

    fn check_raced(&mut self, reader: &Member, before: &View, page: &HomePage) -> Checked {
        let view = View {
            required: before.required.clone(),
            ..self.knowledge.view(&self.oracle, reader.id)
        };
        self.check_page(reader, &mut Scroll::start(&view), page, WHOLE, &view)
    }

    fn accepted(&mut self, label: Label, tweet: TweetBody) {
        self.oracle.post(tweet.id, tweet.author.id, tweet.in_reply_to_id);
        self.labels.insert(tweet.id, label);
        self.tweets.insert(label, tweet);
    }

    async fn read_own(&mut self, member: &Member) -> Checked {
        self.walk_home(member, WHOLE).await
    }

    /// Waits until somebody else's view may be relied on.
    async fn others_may_see(&self) {
        let staleness = self.system.staleness();
        if !staleness.is_zero() {
            tokio::time::sleep(staleness).await;
        }
    }

    /// Whether the account is deleted; its token must then be refused.
    pub(super) fn is_gone(&self, member: &Member, answer: &Answer) -> Checked<bool> {
        if self.oracle.exists(member.id) {
            return Ok(false);
        }
        answer.clone().expect_problem(401, "revoked-token")?;
        Ok(true)
    }
}

fn expect(answer: Answer, status: u16, allowed: Result<(), Refusal>) -> Checked<Answer> {
    Ok(match allowed {
        Ok(()) => answer.expect(status)?,
        Err(refusal) => answer.expect_problem(refusal.status(), refusal.slug())?,
    })
}

/// Whether what was to be deleted is gone, and may be so by this request: its first answer may have been lost.
fn done_by_an_earlier_try(answer: &Answer, problem: &str) -> bool {
    answer.repeated && answer.problem() == Some(problem)
}

fn check_posted(tweet: &TweetBody, author: &Member, label: Label) -> Checked {
    let as_posted =
        tweet.text == text_of(label) && tweet.author.id == author.id && tweet.author.handle == author.handle;
    if as_posted {
        Ok(())
    } else {
        broken(format!("the answer is not the tweet that was posted: {tweet:?}"))
    }
}

/// A text that any layer could spoil.
fn text_of(label: Label) -> String {
    format!("{label} \u{1f980} \"é\" \\ <&>\nand a second line")
}

fn key_of(label: Label) -> String {
    format!("key-of-{}", label.0)
}

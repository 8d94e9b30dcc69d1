//! Steps that read, and the comparisons.

use std::collections::BTreeSet;
use std::time::Duration;

use model::{TweetId, UserId};

use super::{Checked, HeldMark, Member, OpenScroll, Runner, broken};
use crate::client::{HomePage, PageQuery, TweetBody, UserBody};
use crate::history::{Label, Seat, Step};
use crate::oracle::Counts;
use crate::view::{Mark, Page, Scroll, View, Walk};

/// Counts may be five seconds old; they are waited for much longer, so that only what never comes is a fault.
const COUNT_TRIES: u32 = 300;
const BETWEEN_TRIES: Duration = Duration::from_millis(100);

/// Who reads what needs no token.
pub(super) enum Viewer {
    /// Somebody without one.
    Anybody,
    /// Somebody with theirs.
    Member(Member),
}

impl Viewer {
    fn token(&self) -> Option<&str> {
        match self {
            Self::Anybody => None,
            Self::Member(member) => Some(&member.token),
        }
    }

    fn id(&self) -> Option<UserId> {
        match self {
            Self::Anybody => None,
            Self::Member(member) => Some(member.id),
        }
    }
}

impl Runner<'_> {
    pub(super) async fn read(&mut self, step: &Step) -> Checked {
        match step {
            Step::ReadHome { reader, limit } => match self.reader(*reader).await? {
                Some(reader) => self.walk_home(&reader, *limit).await,
                None => Ok(()),
            },
            Step::StartScroll { scroll, reader, limit } => self.start_scroll(*scroll, *reader, *limit).await,
            Step::ScrollOn { scroll, limit } => self.scroll_on(*scroll, *limit).await,
            Step::TakeMark { mark, reader, limit } => self.take_mark(*mark, *reader, *limit).await,
            Step::Poll { mark, limit } => self.poll(*mark, *limit).await,
            Step::ReadUser { user, viewer, limit } => match (self.member(*user), self.viewer(*viewer)) {
                (Some(user), Some(viewer)) => self.read_user(&user, &viewer, *limit).await,
                _ => Ok(()),
            },
            Step::ReadTweet { tweet, viewer } => self.read_tweet(*tweet, *viewer).await,
            Step::ReadEdges { user, limit } => match self.member(*user) {
                Some(user) => self.read_edges(&user, *limit).await,
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Whoever sits there, if they have not left; a deleted account's token must be refused.
    async fn reader(&self, seat: Seat) -> Checked<Option<Member>> {
        let Some(member) = self.member(seat) else {
            return Ok(None);
        };
        if self.oracle.exists(member.id) {
            return Ok(Some(member));
        }
        let answer = self.client.home(&member.token, &PageQuery::default()).await?;
        self.is_gone(&member, &answer)?;
        Ok(None)
    }

    /// `None` when there is nobody on that seat.
    fn viewer(&self, seat: Option<Seat>) -> Option<Viewer> {
        let Some(seat) = seat else { return Some(Viewer::Anybody) };
        let member = self.member(seat).filter(|member| self.oracle.exists(member.id))?;
        Some(Viewer::Member(member))
    }

    /// Reads a home timeline to its end and compares it, and some explanations of it.
    pub(super) async fn walk_home(&mut self, reader: &Member, limit: usize) -> Checked {
        let view = self.knowledge.view(&self.oracle, reader.id);
        self.walk(reader, limit, None, &view).await?;
        self.explain_some(reader).await
    }

    /// Reads all pages, of the home timeline or of what is newer than a mark. Answers what was shown, and the new mark.
    async fn walk(
        &mut self,
        reader: &Member,
        limit: usize,
        newer_than: Option<&str>,
        view: &View,
    ) -> Checked<(Walk, String)> {
        let mut query = PageQuery {
            newer_than: newer_than.map(str::to_owned),
            ..PageQuery::limit(limit)
        };
        let mut scroll = Scroll::start(view);
        let first = self.client.complete_home(&reader.token, &query).await?;
        self.check_page(reader, &mut scroll, &first, limit, view)?;
        let mut walk = Walk::default();
        walk.first_page.extend(ids(&first));
        walk.shown.extend(ids(&first));
        let mark = first.newest_cursor;
        query.cursor = first.next_cursor;
        let mut pages = 1;
        while query.cursor.is_some() {
            let page = self.client.complete_home(&reader.token, &query).await?;
            self.check_page(reader, &mut scroll, &page, limit, view)?;
            if newer_than.is_some() && page.newest_cursor != mark {
                return broken("a later page has another newest_cursor than the first");
            }
            walk.shown.extend(ids(&page));
            query.cursor = page.next_cursor;
            pages += 1;
            if pages > 10 + 10 * self.oracle.tweets().len() {
                return broken(format!("no end after {pages} pages"));
            }
        }
        Ok((walk, mark))
    }

    /// Compares one page: its order and extent, what it shows and lacks, and that each tweet is as it was posted.
    pub(super) fn check_page(
        &mut self,
        reader: &Member,
        scroll: &mut Scroll,
        answer: &HomePage,
        limit: usize,
        view: &View,
    ) -> Checked {
        if !answer.complete {
            return broken("the page stays incomplete");
        }
        let page = Page {
            ids: ids(answer).collect(),
            limit,
            more: answer.next_cursor.is_some(),
        };
        if let Err(fault) = scroll.take(&page, view) {
            return broken(format!("{}'s home: {}", reader.seat, self.describe(&fault, &page.ids)));
        }
        // An original may be there for its reply alone, and goes with it.
        let originals: BTreeSet<TweetId> = answer.tweets.iter().filter_map(|tweet| tweet.in_reply_to_id).collect();
        for tweet in &answer.tweets {
            self.check_tweet(tweet)?;
            if !originals.contains(&tweet.id) {
                self.knowledge.shown(reader.id, tweet.id);
            }
        }
        Ok(())
    }

    fn check_tweet(&self, tweet: &TweetBody) -> Checked {
        let posted = self.labels.get(&tweet.id).and_then(|label| self.tweets.get(label));
        if posted == Some(tweet) {
            Ok(())
        } else {
            broken(format!("{tweet:?} is not as it was posted: {posted:?}"))
        }
    }

    async fn start_scroll(&mut self, label: Label, reader: Seat, limit: usize) -> Checked {
        let Some(reader) = self.reader(reader).await? else {
            return Ok(());
        };
        let view = self.knowledge.view(&self.oracle, reader.id);
        let mut scroll = Scroll::start(&view);
        let page = self
            .client
            .complete_home(&reader.token, &PageQuery::limit(limit))
            .await?;
        self.check_page(&reader, &mut scroll, &page, limit, &view)?;
        let cursor = page.next_cursor;
        self.scrolls.insert(label, OpenScroll { reader, scroll, cursor });
        Ok(())
    }

    async fn scroll_on(&mut self, label: Label, limit: usize) -> Checked {
        let Some(mut open) = self.scrolls.remove(&label) else {
            return Ok(());
        };
        if open.cursor.is_none() || !self.oracle.exists(open.reader.id) {
            return Ok(());
        }
        let view = self.knowledge.view(&self.oracle, open.reader.id);
        let query = PageQuery {
            cursor: open.cursor,
            ..PageQuery::limit(limit)
        };
        let page = self.client.complete_home(&open.reader.token, &query).await?;
        self.check_page(&open.reader, &mut open.scroll, &page, limit, &view)?;
        open.cursor = page.next_cursor;
        self.scrolls.insert(label, open);
        Ok(())
    }

    async fn take_mark(&mut self, label: Label, reader: Seat, limit: usize) -> Checked {
        let Some(reader) = self.reader(reader).await? else {
            return Ok(());
        };
        let view = self.knowledge.view(&self.oracle, reader.id);
        let (walk, cursor) = self.walk(&reader, limit, None, &view).await?;
        let mark = Mark::of_home(&view, &walk, self.oracle.tweets().len());
        self.marks.insert(label, HeldMark { reader, mark, cursor });
        Ok(())
    }

    pub(super) async fn poll(&mut self, label: Label, limit: usize) -> Checked {
        let Some(held) = self.marks.remove(&label) else {
            return Ok(());
        };
        if !self.oracle.exists(held.reader.id) {
            return Ok(());
        }
        let order: Vec<TweetId> = self.oracle.tweets().iter().map(|tweet| tweet.id).collect();
        let home = self.knowledge.view(&self.oracle, held.reader.id);
        let newer = held.mark.newer(&home, &order);
        let (walk, cursor) = self.walk(&held.reader, limit, Some(&held.cursor), &newer).await?;
        let mark = held.mark.advanced(&home, &walk, &order);
        self.marks.insert(label, HeldMark { mark, cursor, ..held });
        Ok(())
    }

    /// A user timeline is exact at any time: it is read where tweets are accepted.
    pub(super) async fn read_user(&self, user: &Member, viewer: &Viewer, limit: usize) -> Checked {
        let answer = self.client.user_timeline(user.id, viewer.token(), limit).await?;
        let expected = self.oracle.user_timeline(user.id, viewer.id());
        for tweet in answer.iter().flatten() {
            self.check_tweet(tweet)?;
        }
        let shown = answer.map(|tweets| tweets.iter().map(|tweet| tweet.id).collect::<Vec<_>>());
        if shown == expected {
            return Ok(());
        }
        let name = |ids: Option<Vec<TweetId>>| ids.map(|ids| ids.iter().map(|&id| self.name(id)).collect::<Vec<_>>());
        broken(format!(
            "{}'s timeline is {:?}, not {:?}",
            user.seat,
            name(shown),
            name(expected)
        ))
    }

    async fn read_tweet(&self, label: Label, viewer: Option<Seat>) -> Checked {
        let (Some(tweet), Some(viewer)) = (self.tweets.get(&label), self.viewer(viewer)) else {
            return Ok(());
        };
        let path = format!("/v1/tweets/{}", tweet.id);
        let answer = self.client.get(&path, viewer.token()).await?;
        if self.oracle.tweet_visible(tweet.id, viewer.id()) {
            return self.check_tweet(&answer.expect(200)?.parse()?);
        }
        answer.expect_problem(404, "no-such-tweet")?;
        Ok(())
    }

    pub(super) async fn read_edges(&self, user: &Member, limit: usize) -> Checked {
        let there = self.oracle.exists(user.id);
        let lists = [
            ("followers", self.oracle.followers(user.id)),
            ("following", self.oracle.following(user.id)),
        ];
        for (list, expected) in lists {
            let answer = self.client.edge_list(user.id, list, limit).await?;
            match answer {
                None if !there => {}
                Some(users) if there => self.check_users(user, list, &users, &expected)?,
                other => return broken(format!("{}'s {list}: {other:?}", user.seat)),
            }
        }
        Ok(())
    }

    fn check_users(&self, of: &Member, list: &str, users: &[UserBody], expected: &BTreeSet<UserId>) -> Checked {
        let ids: BTreeSet<UserId> = users.iter().map(|user| user.id).collect();
        if &ids != expected || ids.len() != users.len() {
            let handles: Vec<&str> = users.iter().map(|user| user.handle.as_str()).collect();
            return broken(format!("{}'s {list} are {handles:?}, not {expected:?}", of.seat));
        }
        let known = |user: &UserBody| {
            self.members
                .values()
                .any(|member| member.id == user.id && member.handle == user.handle)
        };
        match users.iter().find(|user| !known(user)) {
            Some(user) => broken(format!("{user:?} has another handle than it signed up with")),
            None => Ok(()),
        }
    }

    pub(super) async fn read_counts(&self, user: &Member) -> Checked {
        let path = format!("/v1/users/{}", user.id);
        let expected = self.oracle.counts(user.id);
        let mut tries = 0;
        loop {
            let body: UserBody = self.client.get(&path, None).await?.expect(200)?.parse()?;
            let counts = Counts {
                followers: body.followers_count,
                following: body.following_count,
                tweets: body.tweets_count,
            };
            if counts == expected {
                return Ok(());
            }
            tries += 1;
            if tries == COUNT_TRIES {
                return broken(format!("{}'s counts stay {counts:?}, not {expected:?}", user.seat));
            }
            tokio::time::sleep(BETWEEN_TRIES).await;
        }
    }
}

fn ids(page: &HomePage) -> impl Iterator<Item = TweetId> + '_ {
    page.tweets.iter().map(|tweet| tweet.id)
}

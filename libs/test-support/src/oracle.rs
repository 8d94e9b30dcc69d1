//! The plain model of the rules: what every answer must be, told as simply as it can be told.
//!
//! A home timeline is *all tweets of those I follow and my own, newest first, minus filters*. There is no window, no
//! mode, no cache and no delay here; nothing is shared with the system beyond the names of ids and edges. Whoever
//! doubts an answer of the system should be able to read this file and settle the matter.

use std::collections::{BTreeMap, BTreeSet};

use model::{EdgeKind, TweetId, UserId};

/// Why the rules refuse a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such account, or it is deleted.
    NoSuchUser,
    /// Nobody follows, mutes or blocks themselves.
    Oneself,
    /// A new follow across a block.
    Blocked,
    /// The account has as many edges of this kind as it may.
    LimitReached,
    /// The tweet to be answered is not there, or across a block.
    NoSuchOriginal,
    /// There is no such tweet, or it is deleted, or across a block.
    NoSuchTweet,
    /// Somebody else's tweet.
    NotAuthor,
}

impl Refusal {
    /// The status of the answer.
    pub const fn status(self) -> u16 {
        match self {
            Self::NoSuchUser | Self::NoSuchTweet => 404,
            Self::Blocked | Self::NotAuthor => 403,
            Self::Oneself | Self::LimitReached | Self::NoSuchOriginal => 422,
        }
    }

    /// The problem type's name.
    pub const fn slug(self) -> &'static str {
        match self {
            Self::NoSuchUser => "no-such-user",
            Self::NoSuchTweet => "no-such-tweet",
            Self::Blocked => "blocked",
            Self::NotAuthor => "not-author",
            Self::Oneself => "self-reference",
            Self::LimitReached => "limit-reached",
            Self::NoSuchOriginal => "no-such-original",
        }
    }
}

/// A tweet that was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// The id that the server gave it.
    pub id: TweetId,
    /// Who posted it.
    pub author: UserId,
    /// What it answers.
    pub in_reply_to: Option<TweetId>,
    /// Whether its author has deleted it.
    pub deleted: bool,
}

/// How many of each an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Who follow it.
    pub followers: u64,
    /// Whom it follows.
    pub following: u64,
    /// What it has posted and not deleted.
    pub tweets: u64,
}

type Edges = BTreeSet<(UserId, UserId)>;

/// Accounts, edges and tweets, as the rules see them.
#[derive(Debug, Clone)]
pub struct Oracle {
    /// Every account that ever was, and whether it is still there.
    accounts: BTreeMap<UserId, bool>,
    follows: Edges,
    mutes: Edges,
    blocks: Edges,
    /// In order of acceptance.
    tweets: Vec<Accepted>,
    edge_limit: usize,
}

impl Oracle {
    /// Nobody, and nothing. `edge_limit` is how many accounts one may follow (or mute, or block).
    pub fn new(edge_limit: usize) -> Self {
        Self {
            accounts: BTreeMap::new(),
            follows: Edges::new(),
            mutes: Edges::new(),
            blocks: Edges::new(),
            tweets: Vec::new(),
            edge_limit,
        }
    }

    /// An account was made.
    pub fn sign_up(&mut self, user: UserId) {
        self.accounts.insert(user, true);
    }

    /// The account, its tweets and its edges leave every read.
    pub fn delete_account(&mut self, user: UserId) {
        self.accounts.insert(user, false);
        for edges in [&mut self.follows, &mut self.mutes, &mut self.blocks] {
            edges.retain(|&(actor, target)| actor != user && target != user);
        }
    }

    /// Whether the account is there.
    pub fn exists(&self, user: UserId) -> bool {
        self.accounts.get(&user) == Some(&true)
    }

    /// `PUT` (`present`) and `DELETE` of an edge.
    pub fn set_edge(&mut self, kind: EdgeKind, actor: UserId, target: UserId, present: bool) -> Result<(), Refusal> {
        if actor == target {
            return Err(Refusal::Oneself);
        }
        if !self.exists(target) {
            return Err(Refusal::NoSuchUser);
        }
        let edge = (actor, target);
        if !present {
            self.edges_mut(kind).remove(&edge);
            return Ok(());
        }
        if self.edges(kind).contains(&edge) {
            return Ok(());
        }
        if kind == EdgeKind::Follow && self.across_block(actor, target) {
            return Err(Refusal::Blocked);
        }
        if self.edges(kind).iter().filter(|edge| edge.0 == actor).count() >= self.edge_limit {
            return Err(Refusal::LimitReached);
        }
        self.edges_mut(kind).insert(edge);
        Ok(())
    }

    /// A follow that was imported: no rule was asked.
    pub fn import_follow(&mut self, follower: UserId, author: UserId) {
        self.follows.insert((follower, author));
    }

    /// Whether `author` may answer `original`.
    pub fn may_reply(&self, author: UserId, original: TweetId) -> Result<(), Refusal> {
        match self.readable(original) {
            Some(tweet) if !self.across_block(author, tweet.author) => Ok(()),
            _ => Err(Refusal::NoSuchOriginal),
        }
    }

    /// A tweet was accepted.
    pub fn post(&mut self, id: TweetId, author: UserId, in_reply_to: Option<TweetId>) {
        self.tweets.push(Accepted {
            id,
            author,
            in_reply_to,
            deleted: false,
        });
    }

    /// `DELETE` of a tweet; fine again when its author has deleted it already.
    pub fn delete_tweet(&mut self, by: UserId, id: TweetId) -> Result<(), Refusal> {
        let tweet = self.tweet(id).ok_or(Refusal::NoSuchTweet)?;
        if tweet.author != by {
            let there = self.readable(id).is_some();
            return Err(if there {
                Refusal::NotAuthor
            } else {
                Refusal::NoSuchTweet
            });
        }
        for tweet in self.tweets.iter_mut().filter(|tweet| tweet.id == id) {
            tweet.deleted = true;
        }
        Ok(())
    }

    /// The home timeline: all tweets of those I follow and my own, newest first, minus filters.
    pub fn home(&self, reader: UserId) -> Vec<TweetId> {
        self.newest_first(|tweet| {
            tweet.author == reader
                || (self.follows.contains(&(reader, tweet.author))
                    && !self.mutes.contains(&(reader, tweet.author))
                    && !self.across_block(reader, tweet.author))
        })
    }

    /// What an account has posted, as `viewer` sees it; `None` when there is no such account.
    pub fn user_timeline(&self, user: UserId, viewer: Option<UserId>) -> Option<Vec<TweetId>> {
        let hidden = viewer.is_some_and(|viewer| self.across_block(viewer, user));
        self.exists(user)
            .then(|| self.newest_first(|tweet| tweet.author == user && !hidden))
    }

    /// Whether `viewer` can see this tweet by itself.
    pub fn tweet_visible(&self, id: TweetId, viewer: Option<UserId>) -> bool {
        self.readable(id)
            .is_some_and(|tweet| !viewer.is_some_and(|viewer| self.across_block(viewer, tweet.author)))
    }

    /// Who follow the account.
    pub fn followers(&self, user: UserId) -> BTreeSet<UserId> {
        let followers = self.follows.iter().filter(|edge| edge.1 == user);
        followers.map(|edge| edge.0).collect()
    }

    /// Whom the account follows.
    pub fn following(&self, user: UserId) -> BTreeSet<UserId> {
        let following = self.follows.iter().filter(|edge| edge.0 == user);
        following.map(|edge| edge.1).collect()
    }

    /// What its profile says, give or take five seconds.
    pub fn counts(&self, user: UserId) -> Counts {
        let tweets = self
            .tweets
            .iter()
            .filter(|tweet| tweet.author == user && !tweet.deleted);
        Counts {
            followers: self.followers(user).len() as u64,
            following: self.following(user).len() as u64,
            tweets: tweets.count() as u64,
        }
    }

    /// Whether a block stands between the two, in either direction.
    pub fn across_block(&self, one: UserId, other: UserId) -> bool {
        self.blocks.contains(&(one, other)) || self.blocks.contains(&(other, one))
    }

    /// Every tweet that was ever accepted, in that order.
    pub fn tweets(&self) -> &[Accepted] {
        &self.tweets
    }

    /// The tweet, deleted or not.
    pub fn tweet(&self, id: TweetId) -> Option<Accepted> {
        self.tweets.iter().find(|tweet| tweet.id == id).copied()
    }

    /// Whether such an edge stands.
    pub fn has_edge(&self, kind: EdgeKind, actor: UserId, target: UserId) -> bool {
        self.edges(kind).contains(&(actor, target))
    }

    fn readable(&self, id: TweetId) -> Option<Accepted> {
        self.tweet(id).filter(|tweet| self.is_readable(tweet))
    }

    fn is_readable(&self, tweet: &Accepted) -> bool {
        !tweet.deleted && self.exists(tweet.author)
    }

    fn newest_first(&self, wanted: impl Fn(&Accepted) -> bool) -> Vec<TweetId> {
        let shown = self
            .tweets
            .iter()
            .filter(|tweet| self.is_readable(tweet) && wanted(tweet));
        let ascending: BTreeSet<TweetId> = shown.map(|tweet| tweet.id).collect();
        ascending.into_iter().rev().collect()
    }

    fn edges(&self, kind: EdgeKind) -> &Edges {
        match kind {
            EdgeKind::Follow => &self.follows,
            EdgeKind::Mute => &self.mutes,
            EdgeKind::Block => &self.blocks,
        }
    }

    fn edges_mut(&mut self, kind: EdgeKind) -> &mut Edges {
        match kind {
            EdgeKind::Follow => &mut self.follows,
            EdgeKind::Mute => &mut self.mutes,
            EdgeKind::Block => &mut self.blocks,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADA: UserId = UserId::new(1);
    const BOB: UserId = UserId::new(2);
    const CYD: UserId = UserId::new(3);

    fn t(id: u64) -> TweetId {
        TweetId::new(id)
    }

    /// Ada follows Bob; tweets 1 to 3 are Ada's, Bob's and Cyd's.
    fn three() -> Oracle {
        let mut oracle = Oracle::new(1);
        for user in [ADA, BOB, CYD] {
            oracle.sign_up(user);
            oracle.post(t(user.get()), user, None);
        }
        oracle.set_edge(EdgeKind::Follow, ADA, BOB, true).unwrap();
        oracle
    }

    #[test]
    fn home_is_ones_own_and_ones_followees_newest_first() {
        let oracle = three();
        assert_eq!(oracle.home(ADA), [t(2), t(1)]);
        assert_eq!(oracle.home(BOB), [t(2)]);
    }

    #[test]
    fn filters_hide_and_bring_back() {
        let mut oracle = three();
        for (kind, actor, target) in [(EdgeKind::Mute, ADA, BOB), (EdgeKind::Block, BOB, ADA)] {
            oracle.set_edge(kind, actor, target, true).unwrap();
            assert_eq!(oracle.home(ADA), [t(1)], "{kind:?}");
            oracle.set_edge(kind, actor, target, false).unwrap();
            assert_eq!(oracle.home(ADA), [t(2), t(1)], "{kind:?}");
        }
    }

    #[test]
    fn what_is_deleted_is_gone() {
        let mut oracle = three();
        assert_eq!(oracle.delete_tweet(ADA, t(2)), Err(Refusal::NotAuthor));
        oracle.delete_tweet(BOB, t(2)).unwrap();
        oracle.delete_tweet(BOB, t(2)).unwrap();
        assert_eq!(oracle.delete_tweet(ADA, t(2)), Err(Refusal::NoSuchTweet));
        assert_eq!(oracle.home(ADA), [t(1)]);
        oracle.delete_account(CYD);
        assert_eq!(oracle.user_timeline(CYD, None), None);
        assert!(!oracle.tweet_visible(t(3), None));
        assert_eq!(oracle.may_reply(ADA, t(3)), Err(Refusal::NoSuchOriginal));
    }

    #[test]
    fn edges_are_refused_by_rule() {
        let mut oracle = three();
        let mut follow = |actor, target| oracle.set_edge(EdgeKind::Follow, actor, target, true);
        assert_eq!(follow(ADA, ADA), Err(Refusal::Oneself));
        assert_eq!(follow(ADA, UserId::new(9)), Err(Refusal::NoSuchUser));
        assert_eq!(follow(ADA, CYD), Err(Refusal::LimitReached));
        assert_eq!(follow(ADA, BOB), Ok(()), "it stands already");
        oracle.set_edge(EdgeKind::Block, CYD, BOB, true).unwrap();
        assert_eq!(oracle.set_edge(EdgeKind::Follow, BOB, CYD, true), Err(Refusal::Blocked));
        assert_eq!(oracle.may_reply(BOB, t(3)), Err(Refusal::NoSuchOriginal));
        assert!(!oracle.tweet_visible(t(3), Some(BOB)));
        assert_eq!(oracle.user_timeline(CYD, Some(BOB)), Some(vec![]));
    }
}

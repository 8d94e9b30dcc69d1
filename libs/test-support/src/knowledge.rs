//! What may still be under way, and so may be lacking for a moment.

use std::collections::{BTreeMap, BTreeSet};

use model::{TweetId, UserId};

use crate::oracle::{Accepted, Oracle};
use crate::view::View;

/// What is known of deliveries.
///
/// A tweet may be lacking from a reader's home timeline only while all of this holds: it is somebody else's, the system
/// has not reported it delivered, this reader has not been shown it yet, and it was accepted after the reader followed
/// its author (a follow brings the whole history with it at once).
#[derive(Debug, Clone, Default)]
pub(crate) struct Knowledge {
    delivered: BTreeSet<TweetId>,
    shown: BTreeMap<UserId, BTreeSet<TweetId>>,
    /// How many tweets had been accepted when the edge was made.
    followed_at: BTreeMap<(UserId, UserId), usize>,
}

impl Knowledge {
    /// The system says that these are delivered.
    pub(crate) fn delivered(&mut self, tweets: impl IntoIterator<Item = TweetId>) {
        self.delivered.extend(tweets);
    }

    /// The reader has been shown this: it must not go away by itself.
    pub(crate) fn shown(&mut self, reader: UserId, tweet: TweetId) {
        self.shown.entry(reader).or_default().insert(tweet);
    }

    /// A new follow, when so many tweets had been accepted.
    pub(crate) fn followed(&mut self, reader: UserId, author: UserId, accepted: usize) {
        self.followed_at.insert((reader, author), accepted);
    }

    /// What has not been reported delivered.
    pub(crate) fn undelivered(&self, oracle: &Oracle) -> Vec<TweetId> {
        let accepted = oracle.tweets().iter().map(|tweet| tweet.id);
        accepted.filter(|id| !self.delivered.contains(id)).collect()
    }

    /// What this reader may and must see now.
    pub(crate) fn view(&self, oracle: &Oracle, reader: UserId) -> View {
        let visible: BTreeSet<TweetId> = oracle.home(reader).into_iter().collect();
        let shown = || {
            oracle
                .tweets()
                .iter()
                .enumerate()
                .filter(|(_, tweet)| visible.contains(&tweet.id))
        };
        let required = shown()
            .filter(|(order, tweet)| !self.may_lack(reader, *order, tweet))
            .map(|(_, tweet)| tweet.id)
            .collect();
        let originals = shown()
            .filter_map(|(_, tweet)| Some((tweet.id, tweet.in_reply_to?)))
            .collect();
        View {
            required,
            originals,
            demandable: visible.clone(),
            visible,
        }
    }

    fn may_lack(&self, reader: UserId, order: usize, tweet: &Accepted) -> bool {
        let shown = self.shown.get(&reader).is_some_and(|shown| shown.contains(&tweet.id));
        let before_follow = self
            .followed_at
            .get(&(reader, tweet.author))
            .is_some_and(|&at| order < at);
        tweet.author != reader && !self.delivered.contains(&tweet.id) && !shown && !before_follow
    }
}

#[cfg(test)]
mod tests {
    use model::EdgeKind;

    use super::*;

    #[test]
    fn only_what_came_after_the_follow_and_is_under_way_may_be_lacking() {
        let (ada, bob) = (UserId::new(1), UserId::new(2));
        let t = TweetId::new;
        let mut oracle = Oracle::new(9);
        let mut knowledge = Knowledge::default();
        oracle.sign_up(ada);
        oracle.sign_up(bob);
        oracle.post(t(1), bob, None);
        oracle.set_edge(EdgeKind::Follow, ada, bob, true).unwrap();
        knowledge.followed(ada, bob, 1);
        for id in 2..=4 {
            oracle.post(t(id), bob, None);
        }
        oracle.post(t(5), ada, Some(t(4)));
        knowledge.delivered([t(2)]);
        knowledge.shown(ada, t(3));
        let view = knowledge.view(&oracle, ada);
        assert_eq!(view.visible, (1..=5).map(t).collect());
        assert_eq!(view.required, [t(1), t(2), t(3), t(5)].into());
        assert_eq!(view.originals, [(t(5), t(4))].into());
    }
}

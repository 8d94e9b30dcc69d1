//! After a read: why some tweets were, or were not, in it.

use model::TweetId;

use super::{Checked, Member, Runner, broken};

impl Runner<'_> {
    /// Asks about a tweet that the reader may see, one that it may not, and the newest of all. A read of the home timeline
    /// has just ended, so that what it has shown must be visible.
    pub(super) async fn explain_some(&mut self, reader: &Member) -> Checked {
        let view = self.knowledge.view(&self.oracle, reader.id);
        self.explained += 1;
        let all = self.oracle.tweets().iter().map(|tweet| tweet.id);
        let (visible, hidden): (Vec<_>, Vec<_>) = all.partition(|tweet| view.visible.contains(tweet));
        let newest = self.oracle.tweets().last().map(|tweet| tweet.id);
        let mut asked: Vec<TweetId> = [self.one_of(&visible), self.one_of(&hidden), newest]
            .into_iter()
            .flatten()
            .collect();
        asked.sort_unstable();
        asked.dedup();
        for tweet in asked {
            let explanation = self.system.explain(reader.id, tweet).await?;
            if let Some(disagreement) = explanation.disagreement(tweet, &view) {
                let (name, seat) = (self.name(tweet), reader.seat);
                return broken(format!(
                    "why {name} is in {seat}'s home or not: {disagreement}: {explanation:#?}"
                ));
            }
        }
        Ok(())
    }

    /// Another one each time.
    fn one_of(&self, tweets: &[TweetId]) -> Option<TweetId> {
        let at = self.explained.checked_rem(tweets.len())?;
        Some(tweets[at])
    }
}

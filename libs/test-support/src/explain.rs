//! What operators are told of a tweet and a timeline, and whether that agrees with the model.

use model::{TweetId, UserId};
use serde::Deserialize;

use crate::client::Client;
use crate::system::Operator;
use crate::transport::ClientError;
use crate::view::View;

/// Why a tweet is, or is not, in somebody's home timeline, as answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Explanation {
    /// Whether it is.
    pub visible: bool,
    /// The rules that were applied.
    pub steps: Vec<RuleBody>,
}

/// A rule that was applied, as answered.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBody {
    /// Its name.
    pub rule: String,
    /// What it came to.
    pub verdict: String,
    /// Why.
    pub detail: String,
}

impl Explanation {
    /// What is wrong with it, for a reader who may and must see this.
    pub fn disagreement(&self, tweet: TweetId, view: &View) -> Option<&'static str> {
        let any = |verdict: &str| self.steps.iter().any(|step| step.verdict == verdict);
        if any("contradiction") {
            Some("something contradicts itself")
        } else if self.visible != (any("give") && !any("hide")) {
            Some("it does not follow from its own steps")
        } else if self.visible && !view.visible.contains(&tweet) {
            Some("the rules keep it out")
        } else if !self.visible && view.required.contains(&tweet) {
            Some("nothing excuses its absence")
        } else {
            None
        }
    }
}

impl Operator {
    /// Why this tweet is, or is not, in that user's home timeline.
    pub async fn explain(&self, user: UserId, tweet: TweetId) -> Result<Explanation, ClientError> {
        let path = format!("/admin/explain?user={user}&tweet={tweet}");
        let timeline_read = Client::new(self.timeline_read.clone());
        let answer = timeline_read.get(&path, self.token.as_deref()).await?;
        answer.expect(200)?.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explanation(visible: bool, verdicts: &[&str]) -> Explanation {
        let step = |verdict: &&str| RuleBody {
            rule: "r".to_owned(),
            verdict: (*verdict).to_owned(),
            detail: "d".to_owned(),
        };
        Explanation {
            visible,
            steps: verdicts.iter().map(step).collect(),
        }
    }

    #[test]
    fn only_what_may_be_lacking_is_free() {
        let [required, lacking, hidden] = [1, 2, 3].map(TweetId::new);
        let view = View {
            visible: [required, lacking].into(),
            required: [required].into(),
            ..View::default()
        };
        let (shown, absent) = (
            explanation(true, &["pass", "give"]),
            explanation(false, &["pass", "lack"]),
        );
        for (tweet, explanation, agrees) in [
            (required, &shown, true),
            (required, &absent, false),
            (lacking, &shown, true),
            (lacking, &absent, true),
            (hidden, &shown, false),
            (hidden, &absent, true),
        ] {
            let disagreement = explanation.disagreement(tweet, &view);
            assert_eq!(disagreement.is_none(), agrees, "{tweet}: {disagreement:?}");
        }
    }

    #[test]
    fn it_must_follow_from_its_steps() {
        let view = View {
            visible: [TweetId::new(1)].into(),
            ..View::default()
        };
        for (visible, verdicts, agrees) in [
            (true, &["give", "lack"][..], true),
            (true, &["give", "hide"], false),
            (true, &["pass"], false),
            (false, &["give", "hide"], true),
            (false, &["give"], false),
            (true, &["give", "contradiction"], false),
        ] {
            let explanation = explanation(visible, verdicts);
            let disagreement = explanation.disagreement(TweetId::new(1), &view);
            assert_eq!(disagreement.is_none(), agrees, "{verdicts:?}: {disagreement:?}");
        }
    }
}

//! The delivery rules of the model: those of the system, in a form that can be hashed.

use std::collections::HashMap;
use std::sync::Arc;

use follow_graph::crossing::{Situation, apply, decide};
use model::{DeliveryRules, DeliveryState, RulesInForce, Strategy, Subject, Thresholds, TweetId};

use crate::{AUTHOR, Fault, SETTLE, unix_ms};

/// What is asked for: the strategy, and, for the hybrid, on which side of its thresholds the author is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Asked {
    /// Nobody is pushed.
    Pull,
    /// Everybody is pushed.
    Push,
    /// `hybrid`; the author has few followers.
    HybridSmall,
    /// `hybrid`; the author has many.
    HybridHuge,
}

/// How tweets are delivered.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rules {
    /// The state of everyone.
    pub everyone: DeliveryState,
    /// The author's own, once it has crossed.
    pub author: Option<DeliveryState>,
}

impl Rules {
    /// Everybody is pushed, and always was.
    pub(crate) const PUSHED: Self = Self {
        everyone: DeliveryState::pushed(),
        author: None,
    };

    /// In the form that the system decides by.
    pub(crate) fn delivery(&self, asked: Asked) -> DeliveryRules {
        let strategy = match asked {
            Asked::Pull => Strategy::Pull,
            Asked::Push => Strategy::Push,
            Asked::HybridSmall | Asked::HybridHuge => Strategy::Hybrid,
        };
        let own = self.author.iter().map(|state| (AUTHOR, Arc::new(state.clone())));
        DeliveryRules {
            version: 0,
            in_force: RulesInForce {
                strategy,
                thresholds: Thresholds { pull: 100, push: 80 },
            },
            everyone: self.everyone.clone(),
            authors: own.collect(),
        }
    }

    /// Whether no step leads on towards what is asked for, however long one waits.
    pub(crate) fn is_there(&self, asked: Asked) -> bool {
        let later = u8::MAX;
        self.stepped(asked, later, later, TweetId::MIN, None).is_none()
    }

    /// After the steps that are due, for who began to look at one tick and decides at another; `None` when there are none.
    /// `highest` is the highest id that was accepted when it looked.
    pub(crate) fn stepped(
        &self,
        asked: Asked,
        looked: u8,
        decides: u8,
        highest: TweetId,
        fault: Option<Fault>,
    ) -> Option<Self> {
        let mut rules = self.delivery(asked);
        let now_ms = unix_ms(looked);
        let followers = match asked {
            Asked::HybridHuge => HashMap::from([(AUTHOR, 100)]),
            Asked::Pull | Asked::Push | Asked::HybridSmall => HashMap::new(),
        };
        let changed_at = |subject| match subject {
            Subject::Everyone => self.everyone.changed_at_ms,
            Subject::Author(_) => self.author.as_ref().map_or(0, |state| state.changed_at_ms),
        };
        let waited_until = if fault == Some(Fault::LooksBeforeWaiting) {
            decides
        } else {
            looked
        };
        let settled = |subject| {
            let waited = unix_ms(waited_until).saturating_sub(changed_at(subject));
            fault == Some(Fault::StepsWithoutWaiting) || waited >= u64::from(SETTLE)
        };
        let margin = if fault == Some(Fault::ClosesAtPresent) {
            0
        } else {
            SETTLE
        };
        let drawn_below = if fault == Some(Fault::ClosesAtPresent) {
            TweetId::first_at(now_ms)
        } else {
            TweetId::first_at(now_ms + u64::from(margin)).max(highest.next())
        };
        let (steps, _) = decide(&Situation {
            rules: &rules,
            followers: &followers,
            now_ms,
            drawn_below,
            settled: &settled,
        });
        if steps.is_empty() {
            return None;
        }
        apply(&mut rules, steps);
        Some(Self {
            everyone: rules.everyone.clone(),
            author: rules.authors.get(&AUTHOR).map(|state| DeliveryState::clone(state)),
        })
    }

    /// With what has changed since `before` in force from now on: only then is it waited for.
    pub(crate) fn committed(mut self, before: &Self, now: u8) -> Self {
        if self.everyone != before.everyone {
            self.everyone.changed_at_ms = unix_ms(now);
        }
        if let Some(author) = &mut self.author
            && before.author.as_ref() != Some(author)
        {
            author.changed_at_ms = unix_ms(now);
        }
        self
    }
}

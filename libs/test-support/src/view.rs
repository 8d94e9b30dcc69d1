//! Comparing pages with what a reader may and must see. Pure: no system, no clock.
//!
//! Fan-out takes its time, so for a moment a page may lack what was just accepted. A [`View`] says exactly what: a tweet
//! is *visible* when the rules put it into the reader's timeline, and *required* when nothing excuses its absence. From
//! views and pages follow the rules of a [`Scroll`] and of a [`Mark`].

use std::collections::{BTreeMap, BTreeSet};

use model::TweetId;

/// What a reader may and must see at one moment.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// What the rules put into the timeline. Nothing else may be shown.
    pub visible: BTreeSet<TweetId>,
    /// What of it may not be lacking.
    pub required: BTreeSet<TweetId>,
    /// What of it becomes required once an answer to it is shown.
    pub demandable: BTreeSet<TweetId>,
    /// Replies, with their originals.
    pub originals: BTreeMap<TweetId, TweetId>,
}

/// What came.
#[derive(Debug, Clone)]
pub struct Page {
    /// The ids, as answered.
    pub ids: Vec<TweetId>,
    /// How many were asked for.
    pub limit: usize,
    /// Whether there is a `next_cursor`.
    pub more: bool,
}

/// What is wrong with a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It shows more than was asked for.
    TooMany,
    /// It shows an id at or above the one before it, on this page or the last.
    OutOfOrder(TweetId),
    /// It shows what the rules keep out.
    NotVisible(TweetId),
    /// It lacks what nothing excuses.
    Missing(Vec<TweetId>),
}

/// A walk down a timeline: strictly newest first, nothing twice, nothing missing of what was required at its start and
/// has been visible at each of its pages.
#[derive(Debug, Clone)]
pub struct Scroll {
    /// The last id shown.
    below: Option<TweetId>,
    /// What is yet to come.
    owed: BTreeSet<TweetId>,
    /// What is owed once an answer to it is shown.
    demandable: BTreeSet<TweetId>,
}

impl Scroll {
    /// The first page is about to be read.
    pub fn start(view: &View) -> Self {
        Self {
            below: None,
            owed: view.required.clone(),
            demandable: view.demandable.clone(),
        }
    }

    /// Checks the next page.
    pub fn take(&mut self, page: &Page, view: &View) -> Result<(), Fault> {
        if page.ids.len() > page.limit {
            return Err(Fault::TooMany);
        }
        self.owed.retain(|id| view.visible.contains(id));
        self.demandable.retain(|id| view.visible.contains(id));
        for &id in &page.ids {
            self.show(id, view)?;
        }
        let missing: Vec<TweetId> = if page.more {
            self.owed.iter().copied().filter(|&id| self.has_passed(id)).collect()
        } else {
            self.owed.iter().copied().collect()
        };
        if missing.is_empty() {
            Ok(())
        } else {
            Err(Fault::Missing(missing))
        }
    }

    fn show(&mut self, id: TweetId, view: &View) -> Result<(), Fault> {
        if self.has_passed(id) {
            return Err(Fault::OutOfOrder(id));
        }
        if !view.visible.contains(&id) {
            return Err(Fault::NotVisible(id));
        }
        self.below = Some(id);
        self.owed.remove(&id);
        let original = view.originals.get(&id);
        self.owed.extend(original.filter(|id| self.demandable.contains(id)));
        Ok(())
    }

    fn has_passed(&self, id: TweetId) -> bool {
        self.below.is_some_and(|below| id >= below)
    }
}

/// What `newer_than` owes to whoever holds this mark.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    /// Visible when the mark was made, or when one was that it follows from: must not come again.
    not_again: BTreeSet<TweetId>,
    /// Accepted and not yet visible then: must come.
    owed: BTreeSet<TweetId>,
    /// How many tweets had been accepted by then; all later ones lie above the mark.
    accepted: usize,
}

/// What a walk to the end of a timeline, or of what is newer than a mark, has shown.
#[derive(Debug, Clone, Default)]
pub struct Walk {
    /// On its first page, which the mark belongs to.
    pub first_page: BTreeSet<TweetId>,
    /// On all pages.
    pub shown: BTreeSet<TweetId>,
}

impl Mark {
    /// The mark of a walk that began at the top of the home timeline; `home` is the reader's view at its first page.
    pub fn of_home(home: &View, walk: &Walk, accepted: usize) -> Self {
        Self::new(home, walk, accepted, |_| true)
    }

    /// The mark of a walk through what is newer than this mark.
    #[must_use]
    pub fn advanced(&self, home: &View, walk: &Walk, order: &[TweetId]) -> Self {
        let reach = self.reach(order);
        let mut advanced = Self::new(home, walk, order.len(), |id| reach.contains(&id));
        advanced.not_again.extend(&self.not_again);
        advanced
    }

    /// What a walk through what is newer than this mark may and must show; `order` is all tweets as they were accepted.
    pub fn newer(&self, home: &View, order: &[TweetId]) -> View {
        let reach = self.reach(order);
        View {
            visible: home.visible.difference(&self.not_again).copied().collect(),
            required: home.required.intersection(&reach).copied().collect(),
            demandable: home.demandable.intersection(&reach).copied().collect(),
            originals: home.originals.clone(),
        }
    }

    /// What lies above the mark for certain and was not visible when it was made.
    fn reach(&self, order: &[TweetId]) -> BTreeSet<TweetId> {
        let later = order.iter().skip(self.accepted).copied();
        self.owed.iter().copied().chain(later).collect()
    }

    fn new(home: &View, walk: &Walk, accepted: usize, in_reach: impl Fn(TweetId) -> bool) -> Self {
        let late = home.visible.iter().copied();
        Self {
            not_again: home.required.union(&walk.first_page).copied().collect(),
            owed: late
                .filter(|id| !home.required.contains(id) && !walk.shown.contains(id) && in_reach(*id))
                .collect(),
            accepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u64]) -> BTreeSet<TweetId> {
        ids.iter().copied().map(TweetId::new).collect()
    }

    fn view(visible: &[u64], required: &[u64]) -> View {
        View {
            visible: ids(visible),
            required: ids(required),
            demandable: ids(visible),
            originals: BTreeMap::from([(TweetId::new(9), TweetId::new(3))]),
        }
    }

    fn page(ids: &[u64], more: bool) -> Page {
        Page {
            ids: ids.iter().copied().map(TweetId::new).collect(),
            limit: 2,
            more,
        }
    }

    fn missing(ids: &[u64]) -> Result<(), Fault> {
        Err(Fault::Missing(ids.iter().copied().map(TweetId::new).collect()))
    }

    #[test]
    fn a_scroll_may_lack_only_what_is_excused() {
        let view = view(&[1, 2, 3, 4, 5], &[1, 2, 4, 5]);
        let mut scroll = Scroll::start(&view);
        assert_eq!(scroll.take(&page(&[5, 4], true), &view), Ok(()));
        assert_eq!(scroll.clone().take(&page(&[2, 1], false), &view), Ok(()));
        assert_eq!(scroll.clone().take(&page(&[3, 2], true), &view), Ok(()));
        assert_eq!(scroll.clone().take(&page(&[1], true), &view), missing(&[2]));
        assert_eq!(scroll.clone().take(&page(&[2], false), &view), missing(&[1]));
        assert_eq!(
            scroll.clone().take(&page(&[], true), &view),
            Ok(()),
            "an empty page is not the end"
        );
        assert_eq!(scroll.take(&page(&[], false), &view), missing(&[1, 2]));
    }

    #[test]
    fn a_scroll_shows_in_order_and_only_what_is_visible() {
        let view = view(&[1, 2, 3], &[]);
        let mut scroll = Scroll::start(&view);
        assert_eq!(scroll.clone().take(&page(&[3, 2, 1], true), &view), Err(Fault::TooMany));
        assert_eq!(
            scroll.clone().take(&page(&[4], true), &view),
            Err(Fault::NotVisible(TweetId::new(4)))
        );
        assert_eq!(
            scroll.clone().take(&page(&[2, 3], true), &view),
            Err(Fault::OutOfOrder(TweetId::new(3)))
        );
        assert_eq!(scroll.take(&page(&[3, 2], true), &view), Ok(()));
        assert_eq!(
            scroll.take(&page(&[2, 1], true), &view),
            Err(Fault::OutOfOrder(TweetId::new(2)))
        );
    }

    #[test]
    fn a_scroll_owes_only_what_stayed_visible() {
        let mut scroll = Scroll::start(&view(&[1, 2, 3], &[1, 2, 3]));
        let unfollowed = view(&[3], &[3]);
        assert_eq!(scroll.take(&page(&[3], true), &unfollowed), Ok(()));
        let followed_again = view(&[1, 2, 3], &[1, 2, 3]);
        assert_eq!(scroll.take(&page(&[], false), &followed_again), Ok(()));
    }

    #[test]
    fn a_reply_brings_its_original() {
        let view = view(&[1, 3, 9], &[]);
        let mut scroll = Scroll::start(&view);
        assert_eq!(scroll.clone().take(&page(&[9], false), &view), missing(&[3]));
        assert_eq!(scroll.clone().take(&page(&[9, 1], true), &view), missing(&[3]));
        assert_eq!(scroll.take(&page(&[9], true), &view), Ok(()));
        assert_eq!(scroll.take(&page(&[3], false), &view), Ok(()));
    }

    #[test]
    fn a_mark_owes_what_was_late_and_what_came_later() {
        let order: Vec<TweetId> = ids(&[1, 2, 3, 4]).into_iter().collect();
        let walk = Walk {
            first_page: ids(&[1]),
            shown: ids(&[1]),
        };
        let mark = Mark::of_home(&view(&[1, 2, 3], &[1]), &walk, 3);
        let newer = mark.newer(&view(&[1, 2, 3, 4], &[1, 2, 3, 4]), &order);
        assert_eq!(newer.visible, ids(&[2, 3, 4]));
        assert_eq!(newer.required, ids(&[2, 3, 4]));

        let polled = Walk {
            first_page: ids(&[3]),
            shown: ids(&[3]),
        };
        let next = mark.advanced(&view(&[1, 2, 3, 4], &[1]), &polled, &order);
        let newer = next.newer(&view(&[1, 2, 3, 4], &[1, 2, 3, 4]), &order);
        assert_eq!(newer.visible, ids(&[2, 4]), "what was shown does not come again");
        assert_eq!(newer.required, ids(&[2, 4]), "what was late is still owed");
        let hidden = next.advanced(&view(&[], &[]), &Walk::default(), &order);
        let newer = hidden.newer(&view(&[1, 2, 3, 4], &[1, 2, 3, 4]), &order);
        assert!(
            !newer.visible.contains(&TweetId::new(3)),
            "also if it was hidden for a while"
        );
    }

    #[test]
    fn a_mark_neither_owes_nor_forbids_what_only_the_graph_brought() {
        let order: Vec<TweetId> = ids(&[1, 2]).into_iter().collect();
        let mark = Mark::of_home(&view(&[1], &[1]), &Walk::default(), 2);
        let newer = mark.newer(&view(&[1, 2], &[1, 2]), &order);
        assert_eq!((newer.visible, newer.required), (ids(&[2]), ids(&[])));
    }
}

//! Places where a test stops what the services do.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::watch;

/// A place on the way of a tweet, or of a timeline that is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// Fan-out knows who the followers are, and is about to write into their timelines.
    Push,
    /// It has written, and has recorded nothing yet.
    Pushed,
    /// A build is about to begin.
    BeginBuild,
    /// A build has scanned the tweets and is about to be installed.
    Install,
    /// A backfill has scanned the tweets and is about to be merged.
    Backfill,
    /// A read has looked tweets up in the store, and they are not in the cache yet.
    LookedUp,
}

/// Longer than anything takes here.
const PATIENCE: Duration = Duration::from_mins(1);

#[derive(Debug, Default, Clone, Copy)]
struct Place {
    is_held: bool,
    waiting: usize,
    passed: usize,
}

/// All places. Whoever comes to one that is held waits there.
pub(crate) struct Steps(watch::Sender<HashMap<Step, Place>>);

impl Default for Steps {
    fn default() -> Self {
        Self(watch::Sender::new(HashMap::new()))
    }
}

impl Steps {
    /// From now on whoever comes to this place waits.
    pub(crate) fn hold(&self, step: Step) {
        self.change(step, |place| place.is_held = true);
    }

    /// Lets those who wait there go on, and whoever comes.
    pub(crate) fn release(&self, step: Step) {
        self.change(step, |place| place.is_held = false);
    }

    /// How many wait there.
    pub(crate) fn waiting(&self, step: Step) -> usize {
        self.place(step).waiting
    }

    /// How many have passed it.
    pub(crate) fn passed(&self, step: Step) -> usize {
        self.place(step).passed
    }

    /// Waits until so many wait at a place that is held.
    pub(crate) async fn reached(&self, step: Step, many: usize) {
        let mut places = self.0.subscribe();
        let is_reached = |places: &HashMap<Step, Place>| places.get(&step).is_some_and(|place| place.waiting >= many);
        let come = tokio::time::timeout(PATIENCE, places.wait_for(is_reached)).await;
        come.unwrap_or_else(|_| panic!("nobody comes to {step:?}")).unwrap();
    }

    /// Comes to a place, waits there if it is held, and passes it.
    pub(super) async fn pass(&self, step: Step) {
        let here = Here::arrive(self, step);
        let is_free = |places: &HashMap<Step, Place>| places.get(&step).is_none_or(|place| !place.is_held);
        self.0.subscribe().wait_for(is_free).await.unwrap();
        drop(here);
        self.change(step, |place| place.passed += 1);
    }

    fn place(&self, step: Step) -> Place {
        self.0.borrow().get(&step).copied().unwrap_or_default()
    }

    fn change(&self, step: Step, change: impl FnOnce(&mut Place)) {
        self.0.send_modify(|places| change(places.entry(step).or_default()));
    }
}

/// Somebody at a place. Who is killed there is there no more.
struct Here<'a> {
    steps: &'a Steps,
    step: Step,
}

impl<'a> Here<'a> {
    fn arrive(steps: &'a Steps, step: Step) -> Self {
        steps.change(step, |place| place.waiting += 1);
        Self { steps, step }
    }
}

impl Drop for Here<'_> {
    fn drop(&mut self) {
        self.steps.change(self.step, |place| place.waiting -= 1);
    }
}

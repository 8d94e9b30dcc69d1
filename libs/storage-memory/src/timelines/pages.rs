//! Where a user's slot is found: pages of neighbouring users, each with a lock of its own.

use std::sync::Arc;

use ahash::AHashMap;
use model::UserId;
use parking_lot::{Mutex, RwLock};

use super::slot::{Footprint, Slot, signed};

/// Users in a page. Few enough that a reader waits microseconds for a batch that holds the lock, and that a lone user
/// with a high id costs 16 kB; enough that a batch pays for the lock and the look-up once for many users.
pub(super) const PAGE: usize = 256;

/// The slots of `PAGE` users with neighbouring ids.
pub(super) struct Page {
    number: u64,
    slots: Mutex<Box<[Slot]>>,
}

impl Page {
    fn new(number: u64) -> Self {
        Self {
            number,
            slots: Mutex::new((0..PAGE).map(|_| Slot::default()).collect()),
        }
    }

    /// What a page takes without its timelines.
    pub(super) fn footprint() -> Footprint {
        Footprint {
            bytes: signed(size_of::<Self>() + PAGE * size_of::<Slot>()),
            ..Footprint::default()
        }
    }

    /// Its users who have a built timeline.
    pub(super) fn built(&self) -> Vec<UserId> {
        let users = (self.number * PAGE as u64..).map(UserId::new);
        self.with_slots(|slots| {
            let built = users.zip(slots).filter(|(_, slot)| slot.is_built());
            built.map(|(user, _)| user).collect()
        })
    }

    /// Works on the slots under the lock.
    pub(super) fn with_slots<T>(&self, work: impl FnOnce(&mut [Slot]) -> T) -> T {
        work(&mut self.slots.lock())
    }
}

/// The page that a user is on.
#[inline]
pub(super) fn page_of(user: UserId) -> u64 {
    user.get() / PAGE as u64
}

/// The user's place on its page.
#[inline]
pub(super) fn place_of(user: UserId) -> usize {
    usize::try_from(user.get() % PAGE as u64).expect("a remainder of PAGE fits")
}

#[derive(Default)]
struct Directory {
    by_number: AHashMap<u64, Arc<Page>>,
    in_order_of_making: Vec<Arc<Page>>,
}

/// All pages. They are made on demand, so that ids may be sparse, and stay.
#[derive(Default)]
pub(super) struct Pages(RwLock<Directory>);

impl Pages {
    pub(super) fn get(&self, number: u64) -> Option<Arc<Page>> {
        self.0.read().by_number.get(&number).cloned()
    }

    /// The page, and whether it was made now.
    pub(super) fn get_or_make(&self, number: u64) -> (Arc<Page>, bool) {
        if let Some(page) = self.get(number) {
            return (page, false);
        }
        let mut directory = self.0.write();
        if let Some(page) = directory.by_number.get(&number) {
            return (Arc::clone(page), false);
        }
        let page = Arc::new(Page::new(number));
        directory.by_number.insert(number, Arc::clone(&page));
        directory.in_order_of_making.push(Arc::clone(&page));
        (page, true)
    }

    pub(super) fn len(&self) -> usize {
        self.0.read().in_order_of_making.len()
    }

    /// `count` pages from the `start`th on, in a circle; each at most once.
    pub(super) fn sample(&self, start: usize, count: usize) -> Vec<Arc<Page>> {
        let directory = self.0.read();
        let pages = &directory.in_order_of_making;
        let circle = pages.iter().cycle().skip(start % pages.len().max(1));
        circle.take(count.min(pages.len())).cloned().collect()
    }
}

//! What stands in a store and is cached by replicas: its versions, as far back as anybody may believe one.

use crate::SETTLE;

/// A value and the versions before it that may still be believed.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct History<T> {
    /// Oldest first: since when, and what. Never empty.
    versions: Vec<(u8, T)>,
}

/// A version that a replica goes by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Believed<T> {
    /// What it believes.
    pub value: T,
    /// Its last confirmation holds up to, not including, this tick.
    pub until: u8,
}

impl<T: Clone + PartialEq> History<T> {
    /// As it was from the beginning.
    pub fn new(value: T) -> Self {
        Self {
            versions: vec![(0, value)],
        }
    }

    /// What stands in the store.
    pub fn current(&self) -> &T {
        &self.versions.last().expect("a history is never empty").1
    }

    /// Commits another value.
    pub fn commit(&mut self, value: T, now: u8) {
        if *self.current() != value {
            self.versions.push((now, value));
        }
    }

    /// What replicas may hold at `now`: a version that was replaced can have been confirmed just before it was.
    pub fn believable(&self, now: u8) -> impl Iterator<Item = Believed<T>> + '_ {
        self.versions.iter().enumerate().filter_map(move |(at, (_, value))| {
            let confirmed = self.replaced(at).unwrap_or(now);
            let believed = Believed {
                value: value.clone(),
                until: confirmed + SETTLE,
            };
            (believed.until > now).then_some(believed)
        })
    }

    /// Forgets what nobody may believe any more.
    pub fn forget(&mut self, now: u8) {
        let outdated = |at: usize| self.replaced(at).is_some_and(|replaced| replaced + SETTLE <= now);
        let kept = (0..self.versions.len()).find(|at| !outdated(*at)).unwrap_or(0);
        self.versions.drain(..kept);
        // When the oldest came into force matters to nobody.
        self.versions[0].0 = 0;
    }

    fn replaced(&self, at: usize) -> Option<u8> {
        self.versions.get(at + 1).map(|(since, _)| *since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_believed_until_its_last_confirmation_is_too_old() {
        let mut history = History::new('a');
        history.commit('b', 3);
        let at = |history: &History<char>, now| history.believable(now).map(|b| b.value).collect::<String>();
        assert_eq!(at(&history, 3), "ab");
        assert_eq!(at(&history, 3 + SETTLE), "b");
        history.forget(3 + SETTLE);
        assert_eq!(history, History::new('b'));
    }
}

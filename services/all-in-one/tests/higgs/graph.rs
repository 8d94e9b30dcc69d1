//! The file of follow edges, as the test sees it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use rand::SeedableRng;
use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// The graph that is named in the environment.
#[expect(
    clippy::disallowed_methods,
    reason = "where a test finds its input is no configuration of the system"
)]
pub(crate) fn file() -> Option<PathBuf> {
    std::env::var("ROOKERY_TEST_GRAPH")
        .ok()
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// Who follows whom, by the numbers of the file.
pub(crate) struct Graph {
    pub(crate) following: HashMap<u64, Vec<u64>>,
    followers: HashMap<u64, Vec<u64>>,
}

impl Graph {
    pub(crate) fn read(path: &Path) -> Self {
        let file = || File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let is_gzip = path.extension().is_some_and(|extension| extension == "gz");
        let lines: Box<dyn Read> = if is_gzip {
            Box::new(GzDecoder::new(file()))
        } else {
            Box::new(file())
        };
        let mut graph = Self {
            following: HashMap::new(),
            followers: HashMap::new(),
        };
        for line in BufReader::new(lines).lines() {
            graph.add(&line.expect("a line"));
        }
        graph
    }

    fn add(&mut self, line: &str) {
        let numbers: Vec<u64> = line
            .split_whitespace()
            .filter_map(|number| number.parse().ok())
            .collect();
        if let [follower, author] = numbers[..] {
            self.following.entry(follower).or_default().push(author);
            self.followers.entry(author).or_default().push(follower);
        }
    }

    /// The accounts with the most followers, most first.
    pub(crate) fn most_followed(&self, count: usize) -> Vec<u64> {
        let mut authors: Vec<u64> = self.followers.keys().copied().collect();
        authors.sort_unstable_by_key(|author| (std::cmp::Reverse(self.followers_of(*author)), *author));
        authors.truncate(count);
        authors
    }

    /// So many accounts that follow somebody, always the same for a seed.
    pub(crate) fn sample(&self, count: usize, seed: u64) -> Vec<u64> {
        let mut accounts: Vec<u64> = self.following.keys().copied().collect();
        accounts.sort_unstable();
        accounts.shuffle(&mut StdRng::seed_from_u64(seed));
        accounts.truncate(count);
        accounts
    }

    pub(crate) fn followers_of(&self, author: u64) -> u64 {
        self.followers
            .get(&author)
            .map_or(0, |followers| followers.len() as u64)
    }
}

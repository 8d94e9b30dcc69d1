//! What an import of edges comes to.

use std::ops::AddAssign;

/// What became of the edges of an import. Each edge is counted once a call, in one of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImportCounts {
    /// Accounts that were made.
    pub accounts: u64,
    /// Edges that were made.
    pub edges: u64,
    /// Edges that stood already.
    pub standing: u64,
    /// Edges that were refused because one of the two accounts is deleted.
    pub deleted: u64,
    /// Edges that were refused because a block stands between the two.
    pub blocked: u64,
    /// Edges that were refused because somebody has signed up with the handle of one of the two.
    pub signed_up: u64,
}

/// Why an account takes no edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportRefusal {
    /// It is deleted.
    Deleted,
    /// It is somebody's own: it has a password.
    SignedUp,
}

impl ImportCounts {
    /// The edges between accounts that take them, each once and in the order of the accounts; the others are counted.
    /// Nobody follows itself.
    pub fn sort_out<A: Ord>(
        &mut self,
        pairs: &[(u64, u64)],
        account: impl Fn(u64) -> Result<A, ImportRefusal>,
    ) -> Vec<(A, A)> {
        let mut pairs = pairs.to_vec();
        pairs.retain(|(follower, followee)| follower != followee);
        pairs.sort_unstable();
        pairs.dedup();
        let mut wanted = Vec::with_capacity(pairs.len());
        for (follower, followee) in pairs {
            match (account(follower), account(followee)) {
                (Ok(follower), Ok(followee)) => wanted.push((follower, followee)),
                (Err(ImportRefusal::Deleted), _) | (_, Err(ImportRefusal::Deleted)) => self.deleted += 1,
                _ => self.signed_up += 1,
            }
        }
        wanted.sort_unstable();
        wanted
    }
}

impl AddAssign for ImportCounts {
    fn add_assign(&mut self, other: Self) {
        self.accounts += other.accounts;
        self.edges += other.edges;
        self.standing += other.standing;
        self.deleted += other.deleted;
        self.blocked += other.blocked;
        self.signed_up += other.signed_up;
    }
}

//! What can be chosen.

use std::time::Duration;

use model::RulesInForce;

/// Settings of follow-graph.
#[derive(Debug, Clone)]
pub struct FollowGraphSettings {
    /// The delivery rules of a first start; those that an operator set later win over them.
    pub rules: RulesInForce,
    /// How long a step of the crossing takes to be in force everywhere.
    pub crossing_settle: Duration,
    /// How far above the clock, and above the highest id, a range of pulled ids is closed.
    pub crossing_margin: Duration,
    /// How many accounts one may follow; as many may be muted, and blocked.
    pub following_limit: u64,
    /// How many passwords are hashed at the same time. Each takes 19 MiB and a core for some tens of milliseconds.
    pub hashing_concurrency: usize,
    /// What a new password's hash costs whoever makes it, or guesses.
    pub password_cost: PasswordCost,
}

/// The parameters of argon2id. They stand in each hash, so that passwords of either cost are checked.
#[derive(Debug, Clone, Copy, Default)]
pub enum PasswordCost {
    /// The second recommendation of OWASP's password storage cheat sheet: 19 MiB, two passes, one lane.
    #[default]
    Recommended,
    /// The least that argon2 allows, for tests that make tens of thousands of accounts. No setting asks for it.
    Least,
}

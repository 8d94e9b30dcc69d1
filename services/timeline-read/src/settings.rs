//! What can be chosen.

use std::time::Duration;

/// Settings of timeline-read.
#[derive(Debug, Clone)]
pub struct TimelineReadSettings {
    /// How many ids a stored timeline holds: how deep a build goes.
    pub window: usize,
    /// How many builds ask the stores at the same time.
    pub builders: usize,
    /// How many builds are under way: most of them wait out what others may still believe of their reader's follows.
    pub builds_under_way: usize,
    /// How many builds may wait. Readers beyond are served from the tweet store and ask again with their next read.
    pub build_queue: usize,
    /// How long one build may take.
    pub build_timeout: Duration,
    /// What audits look at by themselves.
    pub audit: AuditSettings,
}

/// What audits look at by themselves. Each process has audits of its own.
#[derive(Debug, Clone, Copy)]
pub struct AuditSettings {
    /// Between two rounds, about.
    pub interval: Duration,
    /// Timelines that a round looks at; none when 0.
    pub timelines: usize,
}

impl AuditSettings {
    /// No audits but those that are asked for.
    pub const OFF: Self = Self {
        interval: Duration::MAX,
        timelines: 0,
    };
}

impl Default for AuditSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_mins(1),
            timelines: 20,
        }
    }
}

impl Default for TimelineReadSettings {
    fn default() -> Self {
        Self {
            window: 800,
            builders: 4,
            builds_under_way: 512,
            build_queue: 10_000,
            build_timeout: Duration::from_secs(30),
            audit: AuditSettings::default(),
        }
    }
}

//! What is enumerated: how much may happen, and which guards can be removed.

use crate::Asked;

/// How much may happen. Everything within is enumerated.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The last tick.
    pub ticks: u8,
    /// Tweets that the author posts.
    pub tweets: usize,
    /// By how many ticks the clocks that draw ids may be ahead.
    pub ahead: u8,
    /// Entries that a timeline keeps.
    pub window: usize,
    /// Workers of fan-out.
    pub workers: usize,
    /// How many of them die.
    pub crashes: u8,
    /// Changes of what is asked for.
    pub asks: u8,
    /// Follows and unfollows.
    pub edges: u8,
    /// Builds and backfills.
    pub builds: u8,
    /// How often the stored timeline is lost.
    pub losses: u8,
    /// Whether somebody reads.
    pub reads: bool,
}

/// A world to enumerate.
#[derive(Debug, Clone, Copy)]
pub struct Scenario {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// What is asked for at first, and what may be asked for then.
    pub asked: &'static [Asked],
    /// Whether the reader follows, and has a timeline, from the beginning.
    pub follows: bool,
    /// What a test enumerates.
    pub quick: Bounds,
    /// What `cargo xtask model` enumerates.
    pub deep: Bounds,
}

/// A guard of the protocol that is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Fault {
    /// A step that takes something away is taken before the one before it is in force everywhere.
    StepsWithoutWaiting,
    /// The highest id is asked for before the step before it is in force everywhere.
    LooksBeforeWaiting,
    /// Readers stop to pull at the present, not above all that was drawn.
    ClosesAtPresent,
    /// A worker does not look at the rules again after it has recorded that readers pull.
    DoesNotLookAgain,
    /// A read answers whatever the age of what it rests on.
    BelievesForever,
    /// A read takes the mark when it answers, not when it begins.
    TakesMarkLast,
    /// A read does not pull whom its reader has followed since the timeline was built.
    IgnoresNewFollows,
    /// A push into nothing makes a timeline that passes for a built one.
    PushMakesTimeline,
    /// Trimming leaves the mark where it was.
    TrimKeepsMark,
    /// A build scans before pushes have somewhere to go.
    BuildsWithoutBeginning,
    /// A build does not wait until every worker knows the follows that it goes by.
    BuildsWithoutWaiting,
    /// A backfill does not.
    BackfillsWithoutWaiting,
    /// A build leaves out what readers pull, though it is pushed as well.
    LeavesOutWhatIsPushed,
    /// A build is installed over another.
    InstallsAnyBuild,
}

const FEW: Bounds = Bounds {
    ticks: 3,
    tweets: 2,
    ahead: 0,
    window: 8,
    workers: 1,
    crashes: 0,
    asks: 1,
    edges: 0,
    builds: 0,
    losses: 0,
    reads: true,
};

/// What is enumerated.
pub const SCENARIOS: [Scenario; 8] = [
    Scenario {
        name: "author",
        about: "an author crosses the threshold up and down while it posts",
        asked: &[Asked::HybridSmall, Asked::HybridHuge],
        follows: true,
        quick: Bounds {
            asks: 2,
            tweets: 1,
            ahead: 2,
            ..FEW
        },
        deep: Bounds {
            ticks: 3,
            tweets: 1,
            ahead: 1,
            workers: 2,
            crashes: 1,
            asks: 2,
            ..FEW
        },
    },
    Scenario {
        name: "strategy",
        about: "an operator changes the strategy for everyone, and back",
        asked: &[Asked::HybridHuge, Asked::Pull, Asked::Push],
        follows: true,
        quick: Bounds {
            ticks: 2,
            asks: 2,
            tweets: 1,
            ..FEW
        },
        deep: Bounds {
            ticks: 3,
            tweets: 1,
            asks: 2,
            ..FEW
        },
    },
    Scenario {
        name: "build",
        about: "timelines are built while the author crosses",
        asked: &[Asked::Push, Asked::Pull],
        follows: true,
        quick: Bounds {
            ticks: 1,
            tweets: 1,
            builds: 1,
            ..FEW
        },
        deep: Bounds {
            ticks: 2,
            window: 1,
            builds: 1,
            ..FEW
        },
    },
    Scenario {
        name: "build-back",
        about: "timelines are built while everyone crosses and comes back",
        asked: &[Asked::Push, Asked::Pull],
        follows: true,
        quick: Bounds {
            ticks: 2,
            tweets: 1,
            ahead: 1,
            asks: 2,
            builds: 1,
            ..FEW
        },
        deep: Bounds {
            ticks: 3,
            tweets: 1,
            ahead: 1,
            asks: 2,
            builds: 1,
            ..FEW
        },
    },
    Scenario {
        name: "trim",
        about: "timelines are trimmed and built",
        asked: &[Asked::Push],
        follows: true,
        quick: Bounds {
            ticks: 1,
            window: 1,
            builds: 1,
            asks: 0,
            ..FEW
        },
        deep: Bounds {
            ticks: 1,
            tweets: 3,
            window: 1,
            builds: 1,
            asks: 0,
            ..FEW
        },
    },
    Scenario {
        name: "two-builds",
        about: "two replicas build the same timeline while the reader follows anew",
        asked: &[Asked::Push],
        follows: false,
        quick: Bounds {
            ticks: 2,
            tweets: 1,
            builds: 2,
            asks: 0,
            edges: 1,
            ..FEW
        },
        deep: Bounds {
            ticks: 2,
            tweets: 1,
            builds: 2,
            asks: 0,
            edges: 2,
            ..FEW
        },
    },
    Scenario {
        name: "loss",
        about: "the stored timeline is lost and built again",
        asked: &[Asked::Push],
        follows: true,
        quick: Bounds {
            ticks: 1,
            builds: 1,
            asks: 0,
            losses: 1,
            ..FEW
        },
        deep: Bounds {
            ticks: 1,
            builds: 2,
            asks: 0,
            losses: 2,
            ..FEW
        },
    },
    Scenario {
        name: "follow",
        about: "a reader follows, unfollows and follows again while the author posts",
        asked: &[Asked::Push],
        follows: true,
        quick: Bounds {
            ticks: 3,
            tweets: 1,
            builds: 1,
            asks: 0,
            edges: 2,
            ..FEW
        },
        deep: Bounds {
            ticks: 3,
            tweets: 1,
            builds: 2,
            asks: 0,
            edges: 2,
            ..FEW
        },
    },
];

//! What reads count.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use telemetry::{COUNTS, Metrics};

use crate::audit::AuditMetrics;
use crate::build::Job;
use crate::sources::Lookup;

/// The values of labels.
const STORED: [&str; 3] = [ABSENT, PRESENT, UNREACHABLE];
const ABSENT: &str = "absent";
const PRESENT: &str = "present";
const UNREACHABLE: &str = "unreachable";
const WORK: [&str; 3] = [BUILD, BACKFILL, REBUILD];
const BUILD: &str = "build";
const BACKFILL: &str = "backfill";
const REBUILD: &str = "rebuild";
const OUTCOMES: [&str; 4] = ["done", "failed", "superseded", "dropped"];

#[derive(Debug, Clone)]
pub(crate) struct ReadMetrics {
    home_pages: Family<HomeLabels, Counter>,
    pulled_authors: Histogram,
    tweets: Family<TweetLabels, Counter>,
    builds: Family<BuildLabels, Counter>,
    pub(crate) audits: AuditMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct HomeLabels {
    stored: &'static str,
    complete: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TweetLabels {
    source: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    work: &'static str,
    outcome: &'static str,
}

impl Default for ReadMetrics {
    fn default() -> Self {
        Self {
            home_pages: Family::default(),
            pulled_authors: Histogram::new(COUNTS),
            tweets: Family::default(),
            builds: Family::default(),
            audits: AuditMetrics::default(),
        }
    }
}

impl ReadMetrics {
    pub(crate) fn register(&self, metrics: &mut Metrics) {
        metrics.add(
            "rookery_home_pages",
            "Pages of home timelines that were answered, by what was `stored` (`present`, `absent`, `unreachable`) and \
             whether they were `complete`",
            &self.home_pages,
        );
        metrics.add(
            "rookery_pulled_authors",
            "Authors and ranges of ids that one look at the tweet store pulled for a page of a home timeline",
            &self.pulled_authors,
        );
        metrics.add(
            "rookery_tweets_looked_up",
            "Tweets of pages, by `source`: `cache`, or `store` where the cache did not have them",
            &self.tweets,
        );
        metrics.add(
            "rookery_timeline_builds",
            "Timelines that were put in order behind reads, by `work` (`build` of a missing one, `backfill` of a new follow, \
             `rebuild` of one that an audit found wrong or an operator wants anew) and `outcome` (`done`, `failed`; \
             `superseded` by another build, `dropped` when the queue was full)",
            &self.builds,
        );
        self.audits.register(metrics);
        self.begin_at_zero();
    }

    /// What appears with its first is no increase to Prometheus.
    fn begin_at_zero(&self) {
        for (stored, complete) in STORED.into_iter().flat_map(|stored| [(stored, true), (stored, false)]) {
            self.home_pages
                .get_or_create(&HomeLabels { stored, complete })
                .inc_by(0);
        }
        for (work, outcome) in WORK
            .into_iter()
            .flat_map(|work| OUTCOMES.map(|outcome| (work, outcome)))
        {
            self.builds.get_or_create(&BuildLabels { work, outcome }).inc_by(0);
        }
        self.looked_up(0, 0);
    }

    pub(crate) fn home_page(&self, stored: &'static str, complete: bool) {
        let labels = HomeLabels { stored, complete };
        self.home_pages.get_or_create(&labels).inc();
    }

    pub(crate) fn pulled(&self, authors: usize) {
        #[expect(clippy::cast_precision_loss, reason = "an account follows some thousands")]
        self.pulled_authors.observe(authors as f64);
    }

    pub(crate) fn looked_up(&self, cached: usize, missing: usize) {
        for (source, count) in [("cache", cached), ("store", missing)] {
            self.tweets.get_or_create(&TweetLabels { source }).inc_by(count as u64);
        }
    }

    pub(crate) fn built(&self, job: Job, outcome: &'static str) {
        let work = match job {
            Job::Build => BUILD,
            Job::Rebuild => REBUILD,
            Job::Backfill(_) => BACKFILL,
        };
        self.builds.get_or_create(&BuildLabels { work, outcome }).inc();
    }
}

impl Lookup {
    /// As a label says it.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::Absent => ABSENT,
            Self::Present(_) => PRESENT,
            Self::Unreachable => UNREACHABLE,
        }
    }
}

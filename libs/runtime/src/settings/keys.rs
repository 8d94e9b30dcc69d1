//! The names of all keys, for hints and for secrets.

/// Every key. A test compares them with `config/rookery.toml`, which the tree of settings must accept.
pub(super) const KEYS: &[&str] = &[
    "data_dir",
    "http.addr",
    "http.workers",
    "http.request_timeout_ms",
    "http.drain_delay_ms",
    "internal.addr",
    "admin.token",
    "timeline.strategy",
    "timeline.pull_threshold",
    "timeline.push_threshold",
    "timeline.window",
    "timeline.crossing_settle_ms",
    "timeline.crossing_margin_ms",
    "timeline.memory_mib",
    "timeline.idle_days",
    "audit.interval_ms",
    "audit.timelines",
    "postgres.url",
    "postgres.max_connections",
    "redis.url",
    "redis.near_tweets_mib",
    "events.redis_url",
    "events.partitions",
    "follow_graph.url",
    "follow_graph.following_limit",
    "auth.private_key",
    "auth.public_keys",
    "auth.password_hashing_concurrency",
    "auth.token_days",
    "limits.enabled",
    "limits.reads_per_second",
    "limits.writes_per_second",
    "limits.sign_ins_per_minute",
    "limits.trusted_proxies",
    "limits.max_backlog",
    "otlp.endpoint",
    "otlp.sample_ratio",
    "log.format",
    "log.filter",
];

/// Keys whose values may come from a file named by `…_FILE`, and are never shown.
pub(super) const SECRETS: &[&str] = &[
    "admin.token",
    "postgres.url",
    "redis.url",
    "events.redis_url",
    "auth.private_key",
    "auth.public_keys",
];

/// Names that are less alike are no typing mistakes.
const ALIKE: f64 = 0.6;

/// The known key, or section, that is most like this one, if any is.
pub(super) fn nearest(key: &str) -> Option<&'static str> {
    let sections = KEYS.iter().filter_map(|known| Some(known.split_once('.')?.0));
    KEYS.iter()
        .copied()
        .chain(sections)
        .map(|known| (strsim::normalized_damerau_levenshtein(key, known), known))
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .map(|(_, known)| known)
}

/// `http.addr` as `ROOKERY__HTTP__ADDR`.
pub(super) fn variable(key: &str) -> String {
    format!("ROOKERY__{}", key.replace('.', "__").to_uppercase())
}

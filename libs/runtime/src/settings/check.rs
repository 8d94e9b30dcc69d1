//! What types can't say about a configuration.

use std::borrow::Cow;

use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{ConfigProblem, Settings};
use crate::logging::parse_filter;

const POSTGRES: &[&str] = &["postgres://", "postgresql://"];
const REDIS: &[&str] = &["redis://", "rediss://", "redis-cluster://", "rediss-cluster://"];
/// A round must be done before the next one.
const MOST_AUDITED: usize = 1_000;

/// Everything that is wrong with these settings.
pub(super) fn check(settings: &Settings) -> Vec<ConfigProblem> {
    let mut problems = Vec::new();
    let mut demand = |holds: bool, key, reason| {
        if !holds {
            problems.push(ConfigProblem::Refused {
                key,
                reason: Cow::Borrowed(reason),
            });
        }
    };
    demand(
        settings.internal.addr.ip().is_loopback() || settings.admin.token.is_some(),
        "internal.addr",
        "is off loopback, so `admin.token` must be set",
    );
    demand(
        !settings.admin.token.as_ref().is_some_and(is_blank),
        "admin.token",
        "is blank: set a long random text, or leave it out",
    );
    demand(
        settings.http.addr.port() == 0 || settings.http.addr != settings.internal.addr,
        "internal.addr",
        "must differ from `http.addr`",
    );
    timeline(settings, &mut demand);
    demand(
        settings.audit.timelines <= MOST_AUDITED,
        "audit.timelines",
        "must be from 0 to 1000",
    );
    positive(settings, &mut demand);
    urls(settings, &mut demand);
    demand(
        (0.0..=1.0).contains(&settings.otlp.sample_ratio),
        "otlp.sample_ratio",
        "must be from 0 to 1",
    );
    demand(
        parse_filter(&settings.log.filter).is_ok(),
        "log.filter",
        "is not a filter such as `info` or `warn,fan_out=debug`",
    );
    problems
}

fn timeline(settings: &Settings, demand: &mut impl FnMut(bool, &'static str, &'static str)) {
    let timeline = &settings.timeline;
    demand(
        timeline.push_threshold() <= timeline.pull_threshold,
        "timeline.push_threshold",
        "must not be above `timeline.pull_threshold`",
    );
    demand(
        (20..=10_000).contains(&timeline.window),
        "timeline.window",
        "must be from 20 to 10000",
    );
}

fn positive(settings: &Settings, demand: &mut impl FnMut(bool, &'static str, &'static str)) {
    let numbers = [
        ("http.request_timeout_ms", settings.http.request_timeout_ms),
        ("timeline.memory_mib", settings.timeline.memory_mib),
        ("timeline.idle_days", settings.timeline.idle_days.into()),
        ("audit.interval_ms", settings.audit.interval_ms),
        ("follow_graph.following_limit", settings.follow_graph.following_limit),
        ("auth.token_days", settings.auth.token_days.into()),
        ("limits.max_backlog", settings.limits.max_backlog),
    ];
    for (key, number) in numbers {
        demand(number > 0, key, "must be at least 1");
    }
}

fn urls(settings: &Settings, demand: &mut impl FnMut(bool, &'static str, &'static str)) {
    let is = |url: Option<&str>, schemes: &[&str]| {
        url.is_none_or(|url| {
            schemes
                .iter()
                .any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
        })
    };
    let shown = |url: &Option<SecretString>| url.as_ref().map(|url| url.expose_secret().to_owned());
    let redis = "must begin with redis://, rediss://, redis-cluster:// or rediss-cluster://";
    demand(
        is(shown(&settings.postgres.url).as_deref(), POSTGRES),
        "postgres.url",
        "must begin with postgres://",
    );
    demand(is(shown(&settings.redis.url).as_deref(), REDIS), "redis.url", redis);
    demand(
        is(shown(&settings.events.redis_url).as_deref(), REDIS),
        "events.redis_url",
        redis,
    );
    demand(
        settings.follow_graph.url.as_deref().is_none_or(is_origin),
        "follow_graph.url",
        "must be http:// or https://, a host and perhaps a port, and nothing after that, as in http://follow-graph:8081",
    );
    demand(
        is(settings.otlp.endpoint.as_deref(), &["http://"]),
        "otlp.endpoint",
        "must begin with http://: a collector near by is spoken to without TLS",
    );
}

/// Whether it is a URL to which a path can be appended.
fn is_origin(text: &str) -> bool {
    let begins = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    // A parser passes over blanks that stand there all the same.
    begins
        && !text.contains(char::is_whitespace)
        && Url::parse(text).is_ok_and(|url| url.path() == "/" && url.query().is_none() && url.fragment().is_none())
}

fn is_blank(secret: &SecretString) -> bool {
    secret.expose_secret().trim().is_empty()
}

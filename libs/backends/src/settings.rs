//! What a service needs of the configuration that all services share.

use http_kit::VerifyingKeys;
use http_kit::auth::public_key_of;
use model::{InvalidRules, RulesInForce, Thresholds};
use runtime::Settings;
use runtime::settings::ConfigProblem;
use secrecy::{ExposeSecret, SecretString};

/// The delivery rules of a first start.
pub fn delivery_rules(settings: &Settings) -> Result<RulesInForce, InvalidRules> {
    let timeline = &settings.timeline;
    Ok(RulesInForce {
        strategy: timeline.strategy,
        thresholds: Thresholds::new(timeline.pull_threshold, timeline.push_threshold())?,
    })
}

/// What a program demands of its settings beside what holds for all programs: that `needed` are set, and that keys and URLs
/// among them can be used as far as that can be known without asking a store. Everything that is not so.
pub fn demands(settings: &Settings, needed: &[&'static str]) -> Vec<ConfigProblem> {
    let mut problems: Vec<_> = needed.iter().filter_map(|key| problem(settings, key)).collect();
    // May be absent, and is used wherever Redis is.
    let events = settings.events.redis_url.as_ref();
    if let Some(url) = events.filter(|_| needed.contains(&"redis.url")) {
        problems.extend(redis_url(url).err().map(|reason| refused("events.redis_url", &reason)));
    }
    problems
}

fn problem(settings: &Settings, key: &'static str) -> Option<ConfigProblem> {
    let auth = &settings.auth;
    let checked = match key {
        "postgres.url" => settings.postgres.url.as_ref().map(postgres_url),
        "redis.url" => settings.redis.url.as_ref().map(redis_url),
        "follow_graph.url" => settings.follow_graph.url.as_ref().map(|_| Ok(())),
        "auth.private_key" => auth.private_key.as_ref().map(private_key),
        "auth.public_keys" => auth.public_keys.as_ref().map(public_keys),
        _ => None,
    };
    match checked {
        None => Some(ConfigProblem::Missing { key }),
        Some(checked) => checked.err().map(|reason| refused(key, &reason)),
    }
}

fn refused(key: &'static str, reason: &str) -> ConfigProblem {
    ConfigProblem::Refused {
        key,
        reason: format!("cannot be used: {reason}").into(),
    }
}

fn postgres_url(url: &SecretString) -> Result<(), String> {
    storage_postgres::check_url(url).map_err(|error| {
        if let storage_postgres::OpenError::BadUrl { reason } = error {
            reason
        } else {
            error.to_string()
        }
    })
}

fn redis_url(url: &SecretString) -> Result<(), String> {
    storage_redis::check_url(url).map_err(|error| {
        if let storage_redis::OpenError::BadUrl { reason } = error {
            reason
        } else {
            error.to_string()
        }
    })
}

fn private_key(pem: &SecretString) -> Result<(), String> {
    let public = public_key_of(pem.expose_secret());
    public.map(drop).map_err(|error| error.to_string())
}

fn public_keys(pems: &SecretString) -> Result<(), String> {
    let keys = VerifyingKeys::from_bundle(pems.expose_secret());
    keys.map(drop).map_err(|error| error.to_string())
}

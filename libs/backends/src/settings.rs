//! What a service needs of the configuration that all services share.

use bootstrap::Listeners;
use model::{InvalidRules, RulesInForce, Thresholds};
use runtime::Settings;

use crate::BackendError;

/// The delivery rules of a first start.
pub fn delivery_rules(settings: &Settings) -> Result<RulesInForce, InvalidRules> {
    let timeline = &settings.timeline;
    Ok(RulesInForce {
        strategy: timeline.strategy,
        thresholds: Thresholds::new(timeline.pull_threshold, timeline.push_threshold())?,
    })
}

/// Listens on both ports, for a service that needs these settings.
pub fn listen(settings: &Settings, needed: &[&'static str]) -> Result<Listeners, BackendError> {
    require(settings, needed)?;
    Ok(Listeners::bind(settings)?)
}

/// Refuses a configuration in which something is missing that this service needs; names all that is.
pub fn require(settings: &Settings, keys: &[&'static str]) -> Result<(), BackendError> {
    let is_there = |key: &str| match key {
        "postgres.url" => settings.postgres.url.is_some(),
        "redis.url" => settings.redis.url.is_some(),
        "follow_graph.url" => settings.follow_graph.url.is_some(),
        "auth.private_key" => settings.auth.private_key.is_some(),
        "auth.public_keys" => settings.auth.public_keys.is_some(),
        _ => false,
    };
    let missing: Vec<String> = keys
        .iter()
        .filter(|key| !is_there(key))
        .map(|key| {
            let variable = key.to_uppercase().replace('.', "__");
            format!("{key} is not set, and this service needs it (ROOKERY__{variable})")
        })
        .collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(BackendError::Missing(missing.join("\n")))
    }
}

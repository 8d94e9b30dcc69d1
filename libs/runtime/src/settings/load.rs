//! Reads the sources and puts them together.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use serde_path_to_error::Segment;

use super::check::check;
use super::keys::{SECRETS, nearest, variable};
use super::{ConfigErrors, ConfigProblem, Settings};

const PREFIX: &str = "ROOKERY";

impl Settings {
    /// Reads the file, if one is given, and the environment. Tells everything that is wrong, not just the first.
    pub fn load(file: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigErrors> {
        Self::load_for(file, env, |_| Vec::new())
    }

    /// As [`Settings::load`], for a program that asks for more: what `demands` finds is told together with the rest. It
    /// looks at settings that may have other faults, which are told by then.
    pub fn load_for(
        file: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        demands: impl FnOnce(&Self) -> Vec<ConfigProblem>,
    ) -> Result<Self, ConfigErrors> {
        let mut problems = Vec::new();
        let text = file.and_then(|path| read(path, &mut problems).map(|text| (path, text)));
        let env = with_secret_files(env, &mut problems);
        let settings = gather(text, env, &mut problems);
        problems.extend(settings.as_ref().map(check).unwrap_or_default());
        let mut further = settings.as_ref().map(demands).unwrap_or_default();
        further.retain(|problem| !problems.iter().any(|told| told.covers(problem)));
        problems.extend(further);
        match settings {
            Some(settings) if problems.is_empty() => Ok(settings),
            _ => Err(ConfigErrors(problems)),
        }
    }
}

fn read(path: &Path, problems: &mut Vec<ConfigProblem>) -> Option<String> {
    std::fs::read_to_string(path)
        .map_err(|error| {
            problems.push(ConfigProblem::Unreadable {
                path: path.to_owned(),
                reason: error.to_string(),
            });
        })
        .ok()
}

/// Our variables alone, with the content of secrets' files in place of their names.
fn with_secret_files(
    env: impl Iterator<Item = (String, String)>,
    problems: &mut Vec<ConfigProblem>,
) -> HashMap<String, String> {
    let mut ours: HashMap<_, _> = env
        .filter(|(name, value)| name.starts_with("ROOKERY__") && !value.is_empty())
        .collect();
    for variable in SECRETS.iter().map(|key| variable(key)) {
        let Some(path) = ours.remove(&format!("{variable}_FILE")).map(PathBuf::from) else {
            continue;
        };
        if ours.contains_key(&variable) {
            problems.push(ConfigProblem::SecretTwice { variable });
            continue;
        }
        match std::fs::read_to_string(&path) {
            Ok(secret) => {
                ours.insert(variable, secret.trim_end_matches(['\r', '\n']).to_owned());
            }
            Err(error) => problems.push(ConfigProblem::SecretUnreadable {
                variable,
                path,
                reason: error.to_string(),
            }),
        }
    }
    ours
}

fn gather(
    file: Option<(&Path, String)>,
    env: HashMap<String, String>,
    problems: &mut Vec<ConfigProblem>,
) -> Option<Settings> {
    let mut sources = Config::builder();
    if let Some((path, text)) = file {
        let source = File::from_str(&text, FileFormat::Toml);
        match Config::builder().add_source(source.clone()).build() {
            Ok(_) => sources = sources.add_source(source),
            Err(error) => problems.push(malformed(&format!("{}: {error}", path.display()))),
        }
    }
    let environment = Environment::with_prefix(PREFIX)
        .prefix_separator("__")
        .separator("__")
        .source(Some(env.into_iter().collect()));
    match sources.add_source(environment).build() {
        Ok(merged) => deserialize(merged.cache.into_table().unwrap_or_default(), problems),
        Err(error) => {
            problems.push(malformed(&error.to_string()));
            None
        }
    }
}

fn malformed(reason: &str) -> ConfigProblem {
    ConfigProblem::Malformed {
        reason: reason.trim_end().to_owned(),
    }
}

/// Takes out what is wrong, one after the other, until the rest is right.
fn deserialize(mut tree: Map<String, Value>, problems: &mut Vec<ConfigProblem>) -> Option<Settings> {
    loop {
        let value = Value::new(None, ValueKind::Table(tree.clone()));
        let error = match serde_path_to_error::deserialize::<_, Settings>(value) {
            Ok(settings) => return Some(settings),
            Err(error) => error,
        };
        let path: Vec<_> = error.path().iter().map_while(key_of).collect();
        let Some(taken) = remove(&mut tree, &path) else {
            problems.push(malformed(&error.to_string()));
            return None;
        };
        problems.push(describe(path.join("."), &taken, &error.into_inner()));
    }
}

fn key_of(segment: &Segment) -> Option<&str> {
    match segment {
        Segment::Map { key } => Some(key),
        _ => None,
    }
}

fn remove(tree: &mut Map<String, Value>, path: &[&str]) -> Option<Value> {
    let (first, rest) = path.split_first()?;
    if rest.is_empty() {
        return tree.remove(*first);
    }
    match &mut tree.get_mut(*first)?.kind {
        ValueKind::Table(table) => remove(table, rest),
        _ => None,
    }
}

fn describe(key: String, taken: &Value, error: &config::ConfigError) -> ConfigProblem {
    let origin = match taken.origin() {
        Some("the environment") => format!("the environment ({})", variable(&key)),
        _ => "the configuration file".to_owned(),
    };
    let reason = reason(error);
    if reason.starts_with("unknown field") {
        let hint = nearest(&key);
        ConfigProblem::UnknownKey { key, origin, hint }
    } else {
        ConfigProblem::BadValue { key, origin, reason }
    }
}

/// Without the place, which is told in our own words.
fn reason(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, .. } => reason(error),
        config::ConfigError::Type {
            unexpected, expected, ..
        } => format!("{unexpected} is not {expected}"),
        other => other.to_string(),
    }
}

//! What a stack is started with.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

const REPLICAS: u32 = 2;
const PORT: u16 = 8080;
const PROFILE: &str = "release";

/// The options of `up`. Over a stack that is there, none need be given, and none may differ.
#[derive(Args, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(super) struct UpArguments {
    /// Replicas of each service (2 when not given).
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=32))]
    replicas: Option<u32>,
    /// How tweets travel; the services' default when not given.
    #[arg(long, value_name = "S")]
    strategy: Option<StrategyName>,
    /// Redis as a cluster of three nodes.
    #[arg(long)]
    redis_cluster: bool,
    /// Valkey in place of Redis.
    #[arg(long)]
    valkey: bool,
    /// A Prometheus that scrapes it, with the alerts, and a receiver that writes traces to a file.
    #[arg(long)]
    observe: bool,
    /// The load balancer's port (8080 when not given; 0: any that is free).
    #[arg(long, value_name = "P")]
    port: Option<u16>,
    /// Cargo's profile for the services (release when not given).
    #[arg(long, value_name = "P")]
    profile: Option<String>,
    /// The same as --profile dev.
    #[arg(long, conflicts_with = "profile")]
    debug: bool,
    /// A folder with the services' programs, which are not built then.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["profile", "debug"])]
    programs: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum StrategyName {
    Pull,
    Push,
    Hybrid,
}

impl StrategyName {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pull => "pull",
            Self::Push => "push",
            Self::Hybrid => "hybrid",
        }
    }
}

/// What holds for a stack as long as it is there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Options {
    pub(super) replicas: u32,
    pub(super) strategy: Option<StrategyName>,
    pub(super) redis_cluster: bool,
    pub(super) valkey: bool,
    pub(super) observe: bool,
    /// As it was asked for: 0 is any.
    pub(super) port: u16,
    pub(super) profile: String,
    pub(super) programs: Option<PathBuf>,
}

impl UpArguments {
    /// What a new stack is made with.
    pub(super) fn options(&self) -> Options {
        let profile = if self.debug { "dev" } else { PROFILE };
        Options {
            replicas: self.replicas.unwrap_or(REPLICAS),
            strategy: self.strategy,
            redis_cluster: self.redis_cluster,
            valkey: self.valkey,
            observe: self.observe,
            port: self.port.unwrap_or(PORT),
            profile: self.profile.clone().unwrap_or_else(|| profile.to_owned()),
            programs: self
                .programs
                .as_ref()
                .map(|folder| std::path::absolute(folder).unwrap_or_else(|_| folder.clone())),
        }
    }

    /// Refuses what a stack that is there was not made with.
    pub(super) fn check_against(&self, existing: &Options) -> Result<()> {
        let wanted = self.options();
        let differs = [
            (
                "--replicas",
                self.replicas.is_some() && wanted.replicas != existing.replicas,
            ),
            (
                "--strategy",
                self.strategy.is_some() && wanted.strategy != existing.strategy,
            ),
            ("--redis-cluster", self.redis_cluster && !existing.redis_cluster),
            ("--valkey", self.valkey && !existing.valkey),
            ("--observe", self.observe && !existing.observe),
            ("--port", self.port.is_some() && wanted.port != existing.port),
            (
                "--profile",
                self.profile.is_some() && wanted.profile != existing.profile,
            ),
            ("--debug", self.debug && wanted.profile != existing.profile),
            (
                "--programs",
                self.programs.is_some() && wanted.programs != existing.programs,
            ),
        ];
        let differing: Vec<&str> = differs
            .iter()
            .filter(|(_, differs)| *differs)
            .map(|(name, _)| *name)
            .collect();
        if differing.is_empty() {
            return Ok(());
        }
        bail!(
            "there is a stack that was made otherwise ({}): `cargo xtask stack down` first",
            differing.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_given_stays_as_it_is() {
        let existing = UpArguments {
            replicas: Some(3),
            redis_cluster: true,
            debug: true,
            ..UpArguments::default()
        }
        .options();
        assert!(UpArguments::default().check_against(&existing).is_ok());
        let same = UpArguments {
            replicas: Some(3),
            ..UpArguments::default()
        };
        assert!(same.check_against(&existing).is_ok());
    }

    #[test]
    fn what_differs_is_named() {
        let existing = UpArguments::default().options();
        let other = UpArguments {
            replicas: Some(3),
            strategy: Some(StrategyName::Push),
            valkey: true,
            ..UpArguments::default()
        };
        let error = other.check_against(&existing).unwrap_err().to_string();
        assert!(error.contains("(--replicas, --strategy, --valkey)"), "{error}");
    }
}

//! The Helm chart: its documentation, and what can be checked without a cluster.

#[cfg(test)]
mod analysis;
#[cfg(test)]
mod canary;
pub(crate) mod docs;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod monitoring;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod rendered;
#[cfg(test)]
mod values;

use std::path::PathBuf;

use crate::cargo::workspace_root;

/// Where the chart is.
pub(crate) fn folder() -> PathBuf {
    workspace_root().join("helm/rookery")
}

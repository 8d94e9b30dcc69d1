//! `cargo xtask dashboards`: the dashboards as pictures, where there is no Grafana. Each is an SVG with a plot for each panel,
//! drawn from what Prometheus answers to its queries.

#[cfg(test)]
mod lint;
mod panel;
mod plot;
mod prometheus;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use crate::cargo::workspace_root;
use crate::{stack, tools};
use panel::Panel;
use prometheus::{Period, Prometheus, Series};

/// What to draw.
#[derive(Args)]
pub(crate) struct DashboardsArguments {
    /// Where Prometheus is; that of the stack in target/stack when not given.
    #[arg(long, value_name = "URL")]
    prometheus: Option<String>,
    /// Whose data: the `job` that Prometheus scrapes.
    #[arg(long, default_value = "rookery")]
    job: String,
    /// How far back.
    #[arg(long, value_name = "N", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=1440))]
    minutes: u32,
    /// Where the pictures go.
    #[arg(long, value_name = "DIR", default_value = "target/dashboards")]
    out: PathBuf,
}

/// Draws all of them.
pub(crate) fn run(arguments: &DashboardsArguments) -> Result<ExitCode> {
    let url = match &arguments.prometheus {
        Some(url) => url.clone(),
        None => stack::prometheus_url(Path::new("target/stack"))?,
    };
    let prometheus = Prometheus {
        curl: tools::ensure(&tools::Curl)?,
        url,
        job: arguments.job.clone(),
        period: Period::last(arguments.minutes)?,
    };
    let out = workspace_root().join(&arguments.out);
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    for file in fs::read_dir(folder()).context("monitoring/dashboards")? {
        let file = file?.path();
        let dashboard: Value = serde_json::from_slice(&fs::read(&file)?).with_context(|| file.display().to_string())?;
        let picture = out.join(file.with_extension("svg").file_name().context("a file has a name")?);
        draw(&dashboard, &prometheus, &picture)?;
        println!("xtask: wrote {}", picture.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// Where they are kept.
fn folder() -> PathBuf {
    workspace_root().join("monitoring/dashboards")
}

fn draw(dashboard: &Value, prometheus: &Prometheus, picture: &Path) -> Result<()> {
    let panels = dashboard["panels"].as_array().map(Vec::as_slice).unwrap_or_default();
    let panels = panels.iter().filter_map(Panel::read);
    let panels = panels.map(|panel| {
        let targets = panel.targets.iter().map(|target| prometheus.range(target));
        let series = targets.collect::<Result<Vec<Vec<Series>>>>()?.concat();
        Ok((panel, series))
    });
    let title = dashboard["title"].as_str().unwrap_or_default();
    let panels = panels.collect::<Result<Vec<_>>>()?;
    plot::write(picture, title, &panels, prometheus.period)
}

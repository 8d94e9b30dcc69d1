//! What a running program counts, as Prometheus would see it.

use anyhow::Result;

/// The sum of all metrics whose names begin so, of the program with this internal port.
pub(crate) async fn sum(internal_url: &str, name: &str) -> Result<f64> {
    let text = reqwest::get(format!("{internal_url}/metrics")).await?;
    let text = text.text().await?;
    let lines = text.lines().filter(|line| line.starts_with(name));
    let values = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok());
    // The sum of none is -0.
    Ok(values.sum::<f64>() + 0.0)
}

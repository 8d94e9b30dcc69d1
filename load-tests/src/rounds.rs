//! Figures of several rounds, and what they come to.

use std::fmt;

/// One figure for each round.
#[derive(Debug, Clone, Default)]
pub(crate) struct Series {
    name: String,
    unit: &'static str,
    figures: Vec<f64>,
}

impl Series {
    /// No rounds yet.
    pub(crate) fn new(name: impl Into<String>, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            unit,
            figures: Vec::new(),
        }
    }

    /// Adds a round, and shows it.
    pub(crate) fn add(&mut self, figure: f64) {
        self.figures.push(figure);
        println!(
            "  round {}: {:<28} {figure:>12.0} {}",
            self.figures.len(),
            self.name,
            self.unit
        );
    }

    /// The figure in the middle.
    pub(crate) fn median(&self) -> f64 {
        let mut sorted = self.figures.clone();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        match sorted.len() {
            0 => f64::NAN,
            odd if odd % 2 == 1 => sorted[middle],
            _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
        }
    }

    /// From the lowest to the highest figure, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        let lowest = self.figures.iter().copied().fold(f64::INFINITY, f64::min);
        let highest = self.figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (highest - lowest) / self.median()
    }
}

impl fmt::Display for Series {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (median, spread) = (self.median(), self.spread() * 100.0);
        write!(
            f,
            "{:<30} median {median:>12.0} {}, spread {spread:.0} %",
            self.name, self.unit
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(figures: &[f64]) -> Series {
        let mut series = Series::new("test", "/s");
        for figure in figures {
            series.add(*figure);
        }
        series
    }

    #[test]
    #[expect(clippy::float_cmp, reason = "small whole numbers are exact")]
    fn the_median_and_the_spread() {
        assert_eq!(series(&[30.0, 10.0, 20.0]).median(), 20.0);
        assert_eq!(series(&[10.0, 20.0]).median(), 15.0);
        assert_eq!(series(&[30.0, 10.0, 20.0]).spread(), 1.0);
        assert!(series(&[]).median().is_nan());
    }
}

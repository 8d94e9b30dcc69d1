//! Plots of panels, laid out as in Grafana.

use std::path::Path;

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::panel::Panel;
use super::prometheus::{Period, Series};

/// Pixels of a square of the grid.
const SQUARE: (u32, u32) = (58, 32);
const COLUMNS: u32 = 24;
const TITLE_HEIGHT: u32 = 40;
const FONT: &str = "sans-serif";

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// Writes a dashboard.
pub(super) fn write(picture: &Path, title: &str, panels: &[(Panel, Vec<Series>)], period: Period) -> Result<()> {
    let lines = panels.iter().map(|(panel, _)| panel.place[1] + panel.place[3]).max();
    let size = (COLUMNS * SQUARE.0, TITLE_HEIGHT + lines.unwrap_or(0) * SQUARE.1);
    let area = SVGBackend::new(picture, size).into_drawing_area();
    let drawn = || {
        area.fill(&WHITE)?;
        area.draw_text(title, &(FONT, 22).into_text_style(&area), (10, 10))?;
        for (panel, series) in panels {
            let [x, y, w, h] = panel.place;
            let corner = (x * SQUARE.0, TITLE_HEIGHT + y * SQUARE.1);
            let place = area.clone().shrink(corner, (w * SQUARE.0, h * SQUARE.1));
            draw(&place, panel, series, period)?;
        }
        area.present()
    };
    drawn().map_err(|error| anyhow!("{}: {error}", picture.display()))
}

type Drawn = Result<(), DrawingAreaErrorKind<<SVGBackend<'static> as DrawingBackend>::ErrorType>>;

/// One panel: a line for each series, with its last value in the legend.
fn draw(area: &Area<'_>, panel: &Panel, series: &[Series], period: Period) -> Drawn {
    let values = series.iter().flat_map(|one| &one.points).map(|(_, value)| *value);
    let Some(highest) = values.reduce(f64::max) else {
        let text = format!("{}: no data", panel.title);
        return area.draw_text(&text, &(FONT, 14).into_text_style(area), (10, 6));
    };
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    let [from, to, step] = [period.begin, period.end, period.step].map(|seconds| seconds as f64);
    let top = if highest > 0.0 { highest * 1.1 } else { 1.0 };
    let mut chart = ChartBuilder::on(area)
        .caption(&panel.title, (FONT, 14))
        .margin(6)
        .x_label_area_size(18)
        .y_label_area_size(52)
        .build_cartesian_2d(from..to, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_labels(4)
        .y_labels(4)
        .x_label_formatter(&|second| format!("-{:.0} s", to - second))
        .y_label_formatter(&|value| panel.in_unit(*value))
        .draw()?;
    for (number, one) in series.iter().enumerate() {
        let colour = Palette99::pick(number).to_rgba();
        let last = one.points.last().map(|(_, value)| panel.in_unit(*value));
        let label = format!("{} {}", one.name, last.unwrap_or_default());
        // No line where there was nothing.
        let lines = one.points.chunk_by(|before, after| after.0 - before.0 < step * 1.5);
        let lines = lines.map(|points| PathElement::new(points, colour.stroke_width(2)));
        chart
            .draw_series(lines)?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 10, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font((FONT, 11))
        .background_style(WHITE.mix(0.7))
        .draw()?;
    Ok(())
}

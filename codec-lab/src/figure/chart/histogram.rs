//! Histograms.

use super::{number, COLOURS};
use crate::figure::panel::{self, text, Area, Drawn};
use plotters::prelude::*;

/// Counts in equal steps.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    /// Over the panel.
    pub title: String,
    /// What is counted, with its unit.
    pub x: String,
    /// Ends of the horizontal axis.
    pub range: (f64, f64),
    /// Share of all in each step.
    pub shares: Vec<f64>,
}

/// Draws it.
pub fn draw(area: &Area, chart: &Histogram) -> Drawn {
    let most = chart.shares.iter().copied().fold(1e-6, f64::max);
    let least = (most * 1e-5).min(1e-4);
    let (from, to) = chart.range;
    let mut context = panel::builder(area, &chart.title);
    context
        .margin_right(24)
        .set_label_area_size(LabelAreaPosition::Left, 70)
        .set_label_area_size(LabelAreaPosition::Bottom, 46);
    let mut drawn =
        context.build_cartesian_2d(from..to, (least..most.max(least * 10.0) * 1.5).log_scale())?;
    drawn
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(228, 228, 232))
        .x_labels(11)
        .x_label_formatter(&number)
        .y_label_formatter(&|share| format!("{} %", number(&(share * 100.0))))
        .x_desc(&chart.x)
        .y_desc("share of pixels")
        .label_style(text(14))
        .axis_desc_style(text(15))
        .draw()?;
    let step = (to - from) / chart.shares.len().max(1) as f64;
    let bars = chart
        .shares
        .iter()
        .enumerate()
        .filter(|(_, &share)| share > least);
    drawn.draw_series(bars.map(|(i, &share)| {
        let left = from + i as f64 * step;
        let corners = [(left, least), (left + step * 0.9, share)];
        Rectangle::new(corners, COLOURS[0].filled())
    }))?;
    Ok(())
}

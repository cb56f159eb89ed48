//! Lines over common axes.

use super::{number, range, COLOURS};
use crate::figure::panel::{self, text, Area, Drawn};
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

/// With more lines than this the legend has a place of its own at the right, where no line comes.
const ROOMY: usize = 4;

/// A line: its name in the legend (none if empty) and its points.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Name.
    pub label: String,
    /// Points, from left to right.
    pub points: Vec<(f64, f64)>,
    /// Whether a dot marks each point.
    pub dots: bool,
}

/// Lines over common axes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Lines {
    /// Over the panel.
    pub title: String,
    /// What is along the horizontal axis, with its unit.
    pub x: String,
    /// What is along the vertical axis, with its unit.
    pub y: String,
    /// The lines.
    pub lines: Vec<Line>,
    /// Whether the vertical axis is logarithmic; values must be positive then.
    pub log: bool,
}

/// Draws them.
pub fn draw(area: &Area, chart: &Lines) -> Drawn {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let (left, mut right) = range(points().map(|p| p.0));
    if chart.lines.len() > ROOMY {
        right += 0.4 * (right - left);
    }
    if chart.log {
        let positive = || points().map(|p| p.1).filter(|y| y.is_finite() && *y > 0.0);
        let least = positive().fold(f64::MAX, f64::min);
        let most = positive().fold(0.0, f64::max);
        // Endless ranges would have endless grid lines.
        let (low, high) = if least > most {
            (0.1, 1.0)
        } else {
            (least.max(most * 1e-12) / 1.1, most * 1.1)
        };
        axes(area, chart, left..right, (low..high).log_scale())
    } else {
        let (low, high) = range(points().map(|p| p.1));
        axes(area, chart, left..right, low..high)
    }
}

fn axes<Y>(
    area: &Area,
    chart: &Lines,
    x: std::ops::Range<f64>,
    y: impl plotters::coord::ranged1d::AsRangedCoord<CoordDescType = Y, Value = f64>,
) -> Drawn
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let mut context = panel::builder(area, &chart.title);
    context
        .margin_right(24)
        .set_label_area_size(LabelAreaPosition::Left, 70)
        .set_label_area_size(LabelAreaPosition::Bottom, 46);
    let mut drawn = context.build_cartesian_2d(x, y)?;
    drawn
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(228, 228, 232))
        .x_labels(8)
        // Enough that a logarithmic axis of few decades is labelled between them.
        .y_labels(if chart.log { 24 } else { 8 })
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .x_desc(&chart.x)
        .y_desc(&chart.y)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .draw()?;
    for (line, colour) in chart.lines.iter().zip(COLOURS.iter().cycle()) {
        let points = || {
            line.points
                .iter()
                .copied()
                .filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let style = colour.stroke_width(2);
        let series = drawn.draw_series(LineSeries::new(points(), style))?;
        if !line.label.is_empty() {
            let colour = *colour;
            series.label(&line.label).legend(move |(x, y)| {
                PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3))
            });
        }
        if line.dots {
            drawn.draw_series(points().map(|at| Circle::new(at, 4, colour.filled())))?;
        }
    }
    if chart.lines.iter().any(|line| !line.label.is_empty()) {
        drawn
            .configure_series_labels()
            .position(legend_place(chart))
            .background_style(WHITE.mix(0.85))
            .border_style(RGBColor(200, 200, 204))
            .label_font(text(14))
            .draw()?;
    }
    Ok(())
}

/// The place at the panel's sides that the least of the lines lies in.
fn legend_place(chart: &Lines) -> SeriesLabelPosition {
    if chart.lines.len() > ROOMY {
        return SeriesLabelPosition::MiddleRight;
    }
    let scaled = |y: f64| if chart.log { y.max(1e-300).ln() } else { y };
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let (left, right) = range(points().map(|p| p.0));
    let (low, high) = range(points().map(|p| scaled(p.1)));
    // Long pieces of a line count at many places.
    let along = |pair: &[(f64, f64)]| {
        let (a, b) = (pair[0], pair[1]);
        (0..=20).map(move |i| {
            let share = f64::from(i) / 20.0;
            (a.0 + share * (b.0 - a.0), a.1 + share * (b.1 - a.1))
        })
    };
    let count = |right_half: bool, rows: std::ops::Range<f64>| {
        let inside = |p: &(f64, f64)| {
            let (x, y) = (
                (p.0 - left) / (right - left),
                (scaled(p.1) - low) / (high - low),
            );
            (if right_half { x > 0.7 } else { x < 0.3 }) && rows.contains(&y)
        };
        let pieces = chart.lines.iter().flat_map(|line| line.points.windows(2));
        pieces.flat_map(along).filter(inside).count()
    };
    let (top, middle, bottom) = (0.65..2.0, 0.3..0.7, -1.0..0.35);
    let corners = [
        (count(true, top.clone()), SeriesLabelPosition::UpperRight),
        (count(false, top), SeriesLabelPosition::UpperLeft),
        (count(true, bottom.clone()), SeriesLabelPosition::LowerRight),
        (count(false, bottom), SeriesLabelPosition::LowerLeft),
        (
            count(true, middle.clone()),
            SeriesLabelPosition::MiddleRight,
        ),
        (count(false, middle), SeriesLabelPosition::MiddleLeft),
    ];
    let best = corners.into_iter().min_by_key(|(count, _)| *count);
    best.map_or(SeriesLabelPosition::UpperRight, |(_, place)| place)
}

//! Horizontal bars.

use super::{number, COLOURS};
use crate::figure::panel::{self, text, Area, Drawn};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Room for the labels of horizontal bars.
const BAR_LABELS: u32 = 450;

/// A horizontal bar.
#[derive(Debug, Clone, PartialEq)]
pub struct Bar {
    /// At its left.
    pub label: String,
    /// Its length; none for a bar that is missing.
    pub value: Option<f64>,
    /// A mark to compare with.
    pub mark: Option<f64>,
}

/// Horizontal bars from the top down.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Bars {
    /// Over the panel.
    pub title: String,
    /// What the bars' lengths are, with the unit.
    pub x: String,
    /// Where the axis begins.
    pub from: f64,
    /// What the marks are, if there are any.
    pub marks: String,
    /// The bars.
    pub bars: Vec<Bar>,
}

/// Draws them.
pub fn draw(area: &Area, chart: &Bars) -> Drawn {
    let known = || chart.bars.iter().flat_map(|b| [b.value, b.mark]).flatten();
    let most = known().fold(chart.from, f64::max);
    let to = chart.from + (most - chart.from).max(1e-6) * 1.12;
    let count = chart.bars.len().max(1) as f64;
    let mut context = panel::builder(area, &chart.title);
    context
        .margin_right(24)
        .set_label_area_size(LabelAreaPosition::Left, BAR_LABELS)
        .set_label_area_size(LabelAreaPosition::Bottom, 46);
    let mut drawn = context.build_cartesian_2d(chart.from..to, 0.0..count)?;
    drawn
        .configure_mesh()
        .disable_y_mesh()
        .light_line_style(WHITE)
        .bold_line_style(RGBColor(228, 228, 232))
        .x_labels(8)
        .y_labels(0)
        .x_label_formatter(&number)
        .x_desc(&chart.x)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .draw()?;
    let (columns, rows) = area.get_pixel_range();
    for (at, bar) in chart.bars.iter().enumerate() {
        let middle = count - at as f64 - 0.5;
        if let Some(value) = bar.value {
            let corners = [
                (chart.from, middle - 0.32),
                (value.max(chart.from), middle + 0.32),
            ];
            drawn.draw_series([Rectangle::new(corners, COLOURS[0].mix(0.85).filled())])?;
        }
        if let Some(mark) = bar.mark {
            let ends = [(mark, middle - 0.42), (mark, middle + 0.42)];
            drawn.draw_series([PathElement::new(ends, COLOURS[1].stroke_width(3))])?;
        }
        let place = |x: f64| {
            let (x, y) = drawn.backend_coord(&(x, middle));
            (x - columns.start, y - rows.start)
        };
        let (x, y) = place(chart.from);
        let style = text(14).pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(bar.label.clone(), (x - 8, y), style))?;
        let shown = bar
            .value
            .map_or("none".to_owned(), |value| format!("{value:.2}"));
        let (mut x, y) = place(bar.value.unwrap_or(chart.from));
        if let Some((mark, _)) = bar.mark.map(place) {
            // Out of the mark's way.
            if (x - 4..x + 42).contains(&mark) {
                x = mark + 2;
            }
        }
        let style = text(13).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&Text::new(shown, (x + 5, y), style))?;
    }
    if chart.bars.iter().any(|bar| bar.mark.is_some()) {
        // Beside the caption, where no bar can be.
        let (width, _) = area.dim_in_pixel();
        let style = text(13)
            .color(&COLOURS[1])
            .pos(Pos::new(HPos::Right, VPos::Center));
        area.draw(&Text::new(
            chart.marks.clone(),
            (width as i32 - 24, 14),
            style,
        ))?;
    }
    Ok(())
}

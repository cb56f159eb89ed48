//! Charts: lines, bars and images as panels of one picture.

use super::colour;
use super::panel::{self, text, Area, Drawn, Pool, Scale};
use super::{canvas, Fault};
use ndarray::Array2;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Colours of lines and bars, in their order: told apart by lightness too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(28, 66, 138),
    RGBColor(206, 84, 42),
    RGBColor(64, 138, 84),
    RGBColor(142, 62, 134),
    RGBColor(196, 152, 28),
    RGBColor(92, 92, 96),
];
/// Room for the labels of horizontal bars.
const BAR_LABELS: u32 = 450;

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

/// A spectrogram or a mask over time and frequency.
#[derive(Debug, Clone, PartialEq)]
pub struct Picture {
    /// Over the panel.
    pub title: String,
    /// Frames x bins.
    pub image: Array2<f32>,
    /// Seconds, and kHz at the top.
    pub extent: (f64, f64),
    /// Ends of the scale in dB; none for a mask of zeros and ones.
    pub levels: Option<(f32, f32)>,
}

/// One panel of a sheet.
#[derive(Debug, Clone, PartialEq)]
pub enum Panel {
    /// Lines.
    Lines(Lines),
    /// Bars.
    Bars(Bars),
    /// A histogram.
    Histogram(Histogram),
    /// An image.
    Picture(Picture),
}

/// Draws panels in rows of `columns`, each of `size` pixels, under a title; returns a PNG.
pub fn sheet(
    title: &str,
    panels: &[Panel],
    columns: usize,
    size: (u32, u32),
) -> Result<Vec<u8>, Fault> {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns).max(1);
    let (width, height) = (size.0 * columns as u32, size.1 * rows as u32);
    canvas(title, (width, height), |root| {
        for (area, panel) in root.split_evenly((rows, columns)).iter().zip(panels) {
            match panel {
                Panel::Lines(lines) => draw_lines(area, lines)?,
                Panel::Bars(bars) => draw_bars(area, bars)?,
                Panel::Histogram(histogram) => draw_histogram(area, histogram)?,
                Panel::Picture(picture) => draw_picture(area, picture)?,
            }
        }
        Ok(())
    })
}

/// The range that holds all values, a little wider; never empty.
fn range(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let finite = values.filter(|v| v.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(v), h.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    let margin = (0.05 * (high - low)).max(1e-3 * high.abs()).max(1e-9);
    (low - margin, high + margin)
}

fn draw_lines(area: &Area, chart: &Lines) -> Drawn {
    let points = || chart.lines.iter().flat_map(|line| &line.points);
    let (left, right) = range(points().map(|p| p.0));
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

/// The corner of the panel that the fewest points lie in.
fn legend_place(chart: &Lines) -> SeriesLabelPosition {
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
    let count = |right_half: bool, upper: bool| {
        let inside = |p: &(f64, f64)| {
            let (x, y) = (
                (p.0 - left) / (right - left),
                (scaled(p.1) - low) / (high - low),
            );
            (if right_half { x > 0.7 } else { x < 0.3 })
                && (if upper { y > 0.65 } else { y < 0.35 })
        };
        let pieces = chart.lines.iter().flat_map(|line| line.points.windows(2));
        pieces.flat_map(along).filter(inside).count()
    };
    let corners = [
        (count(true, true), SeriesLabelPosition::UpperRight),
        (count(false, true), SeriesLabelPosition::UpperLeft),
        (count(true, false), SeriesLabelPosition::LowerRight),
        (count(false, false), SeriesLabelPosition::LowerLeft),
    ];
    let best = corners.into_iter().min_by_key(|(count, _)| *count);
    best.map_or(SeriesLabelPosition::UpperRight, |(_, place)| place)
}

fn draw_bars(area: &Area, chart: &Bars) -> Drawn {
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

fn draw_histogram(area: &Area, chart: &Histogram) -> Drawn {
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

fn draw_picture(area: &Area, picture: &Picture) -> Drawn {
    let extent = picture.extent;
    match picture.levels {
        Some((low, high)) => {
            let scale = Scale {
                low,
                high,
                unit: "dB",
            };
            let share = |x: f32| (x - low) / (high - low);
            panel::image(
                area,
                &picture.title,
                &picture.image,
                Pool::Max,
                extent,
                Some(&scale),
                |x| colour::level(share(x)),
            )
        }
        None => panel::image(
            area,
            &picture.title,
            &picture.image,
            Pool::Mean,
            extent,
            None,
            colour::share,
        ),
    }
}

/// A number as short as it can be told.
fn number(x: &f64) -> String {
    let size = x.abs();
    let text = if size >= 100.0 || size == 0.0 {
        format!("{x:.0}")
    } else if size >= 10.0 {
        format!("{x:.1}")
    } else if size >= 0.1 {
        format!("{x:.2}")
    } else if size >= 1e-4 {
        format!("{x:.4}")
    } else {
        format!("{x:.0e}")
    };
    match text.split_once('.') {
        Some((whole, part)) if !text.contains('e') => {
            let part = part.trim_end_matches('0');
            if part.is_empty() {
                whole.to_owned()
            } else {
                format!("{whole}.{part}")
            }
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        let told: Vec<String> = [0.0, 1.0, 2.50, 12.34, 1234.5, 0.05, 0.00001, -0.5]
            .iter()
            .map(number)
            .collect();
        assert_eq!(
            told,
            ["0", "1", "2.5", "12.3", "1234", "0.05", "1e-5", "-0.5"]
        );
    }

    #[test]
    fn ranges_are_never_empty() {
        for values in [
            vec![],
            vec![1.0],
            vec![0.0, 0.0],
            vec![f64::NAN, 3.0],
            vec![-1.0, 4.0],
        ] {
            let (low, high) = range(values.iter().copied());
            assert!(low < high, "{values:?}");
            assert!(values
                .iter()
                .all(|&v| v.is_nan() || (low <= v && v <= high)));
        }
    }

    #[test]
    fn every_kind_of_panel_draws_whatever_it_is_given() {
        let line = |points: &[(f64, f64)]| Line {
            label: "a".into(),
            points: points.to_vec(),
            dots: true,
        };
        let lines = |log, points: &[(f64, f64)]| {
            Panel::Lines(Lines {
                title: "t".into(),
                log,
                lines: vec![line(points)],
                ..Lines::default()
            })
        };
        let bar = |value, mark| Bar {
            label: "a bar".into(),
            value,
            mark,
        };
        let panels = [
            lines(false, &[]),
            lines(true, &[(0.0, 1.0), (1.0, 100.0)]),
            lines(true, &[(0.0, -1.0)]),
            lines(false, &[(0.0, f64::NAN), (1.0, 2.0)]),
            Panel::Bars(Bars::default()),
            Panel::Bars(Bars {
                bars: vec![bar(Some(2.0), None), bar(None, Some(3.0))],
                from: 1.0,
                ..Bars::default()
            }),
            Panel::Histogram(Histogram {
                range: (0.0, 1.0),
                shares: vec![0.9, 0.0, 0.1],
                ..Histogram::default()
            }),
            Panel::Picture(Picture {
                title: "image".into(),
                image: Array2::from_elem((3, 5), -10.0),
                extent: (1.0, 8.0),
                levels: Some((-80.0, 0.0)),
            }),
            Panel::Picture(Picture {
                title: "mask".into(),
                image: Array2::from_elem((3, 5), 1.0),
                extent: (1.0, 8.0),
                levels: None,
            }),
        ];
        let png = sheet("sheet", &panels, 2, (500, 260)).expect("draws");
        let reader = png::Decoder::new(std::io::Cursor::new(&png[..]))
            .read_info()
            .expect("a PNG");
        assert_eq!(
            (reader.info().width, reader.info().height),
            (1000, 44 + 5 * 260)
        );
    }
}

//! One panel of the figure: axes, and a waveform or an image within them.

use super::colour::Rgb;
use ndarray::Array2;
use plotters::coord::Shift;
use plotters::element::BitMapElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

/// Part of a picture.
pub type Area<'a> = DrawingArea<BitMapBackend<'a>, Shift>;
/// Whether drawing went well.
pub type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Room for the colour bar and its labels at the right of every panel, so that all time axes agree.
const BAR: u32 = 90;
const LEFT: u32 = 60;

/// The ends of a colour bar.
pub struct Scale {
    pub low: f32,
    pub high: f32,
    pub unit: &'static str,
}

/// How several pixels of an image become one of the picture.
#[derive(Clone, Copy)]
pub enum Pool {
    /// The largest: narrow ridges stay visible.
    Max,
    /// The mean: a share of kept pixels.
    Mean,
    /// The first: phases have no mean.
    First,
}

/// Draws samples as the range they cover in each column of the picture.
pub fn wave(area: &Area, title: &str, samples: &[f32], seconds: f64) -> Drawn {
    let peak = samples.iter().fold(1e-3f32, |m, x| m.max(x.abs()));
    let (inner, _) = area.split_horizontally(area.dim_in_pixel().0.saturating_sub(BAR) as i32);
    let mut chart = builder(&inner, title).build_cartesian_2d(0.0..seconds, -peak..peak)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(12)
        .x_label_formatter(&time)
        .y_labels(6)
        .y_label_formatter(&|y| format!("{:.1}", (y * 10.0).round() / 10.0 + 0.0))
        .y_desc("amplitude")
        .label_style(text(14))
        .draw()?;
    let columns = chart.plotting_area().dim_in_pixel().0.max(1) as usize;
    let per_column = samples.len().div_ceil(columns).max(1);
    let line = |index: usize, piece: &[f32]| {
        let at = (index * per_column) as f64 / samples.len() as f64 * seconds;
        let (low, high) = piece
            .iter()
            .fold((f32::MAX, f32::MIN), |(l, h), &x| (l.min(x), h.max(x)));
        [(at, low), (at, high)]
    };
    let points = samples
        .chunks(per_column)
        .enumerate()
        .flat_map(|(i, piece)| line(i, piece));
    chart.draw_series(LineSeries::new(points, RGBColor(40, 70, 130)))?;
    Ok(())
}

/// Draws an image (frames x bins) over `extent`: seconds, and kHz at the top.
pub fn image(
    area: &Area,
    title: &str,
    image: &Array2<f32>,
    pool: Pool,
    extent: (f64, f64),
    scale: Option<&Scale>,
    colour: impl Fn(f32) -> Rgb,
) -> Drawn {
    let (inner, bar) = area.split_horizontally(area.dim_in_pixel().0.saturating_sub(BAR) as i32);
    let mut chart = builder(&inner, title).build_cartesian_2d(0.0..extent.0, 0.0..extent.1)?;
    chart
        .configure_mesh()
        .disable_mesh()
        .x_labels(12)
        .x_label_formatter(&time)
        .y_labels(5)
        .y_desc("kHz")
        .label_style(text(14))
        .draw()?;
    let (width, height) = chart.plotting_area().dim_in_pixel();
    let mut buffer = Vec::with_capacity((width * height * 3) as usize);
    for y in (0..height).rev() {
        for x in 0..width {
            let frames = span(x, width, image.nrows());
            let bins = span(y, height, image.ncols());
            buffer.extend_from_slice(&colour(pooled(image, frames, bins, pool)));
        }
    }
    if let Some(bitmap) = BitMapElement::with_owned_buffer((0.0, extent.1), (width, height), buffer)
    {
        chart.plotting_area().draw(&bitmap)?;
    }
    if let Some(scale) = scale {
        colour_bar(&bar, scale, &colour)?;
    }
    Ok(())
}

/// The pixels of an image of `count` that pixel `at` of a picture of `size` shows; never none.
fn span(at: u32, size: u32, count: usize) -> std::ops::Range<usize> {
    let first = (at as usize * count) / size.max(1) as usize;
    let last = ((at as usize + 1) * count) / size.max(1) as usize;
    first.min(count.saturating_sub(1))..last.clamp(first + 1, count.max(first + 1)).min(count)
}

fn pooled(
    image: &Array2<f32>,
    frames: std::ops::Range<usize>,
    bins: std::ops::Range<usize>,
    pool: Pool,
) -> f32 {
    let count = (frames.len() * bins.len()) as f32;
    let mut pixels = frames
        .flat_map(|t| bins.clone().map(move |k| (t, k)))
        .map(|at| image[at]);
    match pool {
        Pool::First => pixels.next().unwrap_or(f32::NAN),
        Pool::Max => pixels.fold(f32::NEG_INFINITY, f32::max),
        Pool::Mean => pixels.sum::<f32>() / count.max(1.0),
    }
}

fn colour_bar(area: &Area, scale: &Scale, colour: &impl Fn(f32) -> Rgb) -> Drawn {
    let (_, height) = area.dim_in_pixel();
    let (top, bottom) = (34, height as i32 - 34);
    for y in top..bottom {
        let share = (bottom - y) as f32 / (bottom - top) as f32;
        let [r, g, b] = colour(scale.low + share * (scale.high - scale.low));
        area.draw(&Rectangle::new(
            [(8, y), (24, y + 1)],
            RGBColor(r, g, b).filled(),
        ))?;
    }
    for (value, y) in [
        (scale.high, top),
        ((scale.low + scale.high) / 2.0, (top + bottom) / 2),
        (scale.low, bottom),
    ] {
        let digits = usize::from(scale.high - scale.low < 20.0);
        let label = format!("{:.digits$} {}", value + 0.0, scale.unit);
        area.draw(&Text::new(
            label,
            (30, y),
            text(14).pos(Pos::new(HPos::Left, VPos::Center)),
        ))?;
    }
    Ok(())
}

fn time(seconds: &f64) -> String {
    format!("{seconds:.1} s")
}

/// The style of all text.
pub fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&BLACK)
}

/// A chart with its caption and room for the labels of its axes.
pub fn builder<'a, 'b>(area: &'a Area<'b>, title: &str) -> ChartBuilder<'a, 'b, BitMapBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder
        .caption(title, text(16))
        .margin(4)
        .set_label_area_size(LabelAreaPosition::Left, LEFT);
    builder.set_label_area_size(LabelAreaPosition::Bottom, 26);
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_cover_every_pixel_and_are_never_empty() {
        for (size, count) in [(7u32, 100usize), (100, 7), (5, 5), (3, 1)] {
            let mut seen = vec![false; count];
            for at in 0..size {
                let span = span(at, size, count);
                assert!(
                    !span.is_empty() && span.end <= count,
                    "{at} of {size} over {count}: {span:?}"
                );
                span.for_each(|i| seen[i] = true);
            }
            assert!(seen.iter().all(|&s| s), "{size} over {count}");
        }
    }

    #[test]
    fn pooling_takes_what_it_says() {
        let image = Array2::from_shape_vec((2, 2), vec![1.0, 2.0, 3.0, 6.0]).unwrap();
        assert_eq!(pooled(&image, 0..2, 0..2, Pool::Max), 6.0);
        assert_eq!(pooled(&image, 0..2, 0..2, Pool::Mean), 3.0);
        assert_eq!(pooled(&image, 1..2, 0..2, Pool::First), 3.0);
    }
}

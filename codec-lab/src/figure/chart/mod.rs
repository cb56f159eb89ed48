//! Charts: lines, bars and images as panels of one picture.

mod bars;
mod histogram;
mod lines;
mod picture;

pub use bars::{Bar, Bars};
pub use histogram::Histogram;
pub use lines::{Line, Lines};
pub use picture::Picture;

use super::{canvas, Result};
use plotters::prelude::*;

/// Colours of lines and bars, in their order: told apart by lightness too.
const COLOURS: [RGBColor; 6] = [
    RGBColor(28, 66, 138),
    RGBColor(206, 84, 42),
    RGBColor(64, 138, 84),
    RGBColor(142, 62, 134),
    RGBColor(196, 152, 28),
    RGBColor(92, 92, 96),
];
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
pub fn sheet(title: &str, panels: &[Panel], columns: usize, size: (u32, u32)) -> Result<Vec<u8>> {
    let columns = columns.clamp(1, panels.len().max(1));
    let rows = panels.len().div_ceil(columns).max(1);
    let (width, height) = (size.0 * columns as u32, size.1 * rows as u32);
    canvas(title, (width, height), |root| {
        for (area, panel) in root.split_evenly((rows, columns)).iter().zip(panels) {
            match panel {
                Panel::Lines(lines) => lines::draw(area, lines)?,
                Panel::Bars(bars) => bars::draw(area, bars)?,
                Panel::Histogram(histogram) => histogram::draw(area, histogram)?,
                Panel::Picture(picture) => picture::draw(area, picture)?,
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
    use ndarray::Array2;

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

    /// How many pixels of a colour a panel has left and right of a column, the middle of its axes.
    fn halves(panel: Panel, colour: [u8; 3], middle: usize) -> (usize, usize) {
        let png = sheet("", &[panel], 1, (600, 300)).expect("draws");
        let (width, pixels) = crate::figure::read_png(&png);
        let of = |(_, p): &(usize, &[u8; 3])| **p == colour;
        let at = pixels.iter().enumerate().filter(of).map(|(i, _)| i % width);
        let (left, right): (Vec<usize>, Vec<usize>) = at.partition(|x| *x < middle);
        (left.len(), right.len())
    }

    #[test]
    fn shares_and_levels_are_drawn_to_scale() {
        let blue = [28, 66, 138];
        let histogram = |shares: [f64; 2]| {
            Panel::Histogram(Histogram {
                range: (0.0, 1.0),
                shares: shares.to_vec(),
                ..Histogram::default()
            })
        };
        let (left, right) = halves(histogram([0.99, 0.01]), blue, 310);
        assert!(left > right && right > 0, "{left} {right}");
        let (left, right) = halves(histogram([0.01, 0.99]), blue, 310);
        assert!(left < right && left > 0, "{left} {right}");
        let image = Array2::from_shape_fn((8, 4), |(frame, _)| if frame < 4 { 0.0 } else { -80.0 });
        let picture = Panel::Picture(Picture {
            title: String::new(),
            image,
            extent: (1.0, 8.0),
            levels: Some((-80.0, 0.0)),
        });
        // The scale at the right holds every colour: pale has little of its own there, night's half is full.
        let (left, right) = halves(picture.clone(), [252, 246, 184], 285);
        assert!(left > 20 * right.max(1), "{left} {right}");
        let (left, right) = halves(picture, [6, 6, 26], 285);
        assert!(right > 20 * left.max(1), "{left} {right}");
    }

    #[test]
    fn a_bar_twice_as_long_has_twice_the_pixels() {
        let length = |value| {
            let bar = |value| Bar {
                label: String::new(),
                value: Some(value),
                mark: None,
            };
            let png = sheet(
                "",
                &[Panel::Bars(Bars {
                    bars: vec![bar(value), bar(4.0)],
                    ..Bars::default()
                })],
                1,
                (1200, 300),
            );
            let (_, pixels) = crate::figure::read_png(&png.expect("draws"));
            // Bars are drawn nearly opaque.
            let blue = |p: &&[u8; 3]| p[2] > p[0].saturating_add(60) && p[2] > 100;
            pixels.iter().filter(blue).count() as f64
        };
        // The other bar is as long in all of them.
        let (none, one, two) = (length(0.0), length(1.0), length(2.0));
        let ratio = (two - none) / (one - none);
        assert!((ratio - 2.0).abs() < 0.05, "{none} {one} {two}");
    }
}

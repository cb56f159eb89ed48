//! The figure: waveform, spectrogram, mask and phase above one another, over one time axis.

pub mod chart;
mod colour;
pub mod curve;
mod panel;

use ndarray::Array2;
use plotters::prelude::*;
use plotters::style::{register_font, FontStyle};
use std::sync::Once;

/// A figure could not be drawn: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Error(pub String);

/// Shorthand for results of drawing.
pub type Result<T> = std::result::Result<T, Error>;

/// DejaVu Sans, cut down to the characters used here; its licence lies beside it.
const FONT: &[u8] = include_bytes!("font/DejaVuSans-subset.ttf");
const WIDTH: u32 = 1400;
const TITLE: u32 = 44;
const PANEL: u32 = 250;

/// What is drawn. Images are frames x bins.
pub struct Figure {
    /// Over everything.
    pub title: String,
    /// Waveform, and its samples a second, Hz.
    pub wave: (Vec<f32>, u32),
    /// Title and levels in dB; the scale reaches from `floor` to the loudest pixel.
    pub levels: (String, Array2<f32>),
    /// Lower end of the level scale, dB.
    pub floor: f32,
    /// Title and kept pixels (1 kept, 0 dropped), if there is a mask.
    pub mask: Option<(String, Array2<f32>)>,
    /// Title and phases in radians, NaN where there is nothing to show.
    pub phase: (String, Array2<f32>),
}

/// Draws on a white sheet of `size` pixels under a title; returns a PNG.
fn canvas(
    title: &str,
    size: (u32, u32),
    draw: impl FnOnce(&panel::Area) -> panel::Drawn,
) -> Result<Vec<u8>> {
    static REGISTER: Once = Once::new();
    // The font is a constant: were it bad, drawing text would fail below with an error.
    REGISTER.call_once(|| drop(register_font("sans-serif", FontStyle::Normal, FONT)));
    let failed =
        |what: &dyn std::fmt::Display| Error(format!("the figure could not be drawn: {what}"));
    let (width, height) = (size.0, size.1 + TITLE);
    let mut pixels = vec![0u8; (width * height * 3) as usize];
    {
        let root = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        root.fill(&WHITE).map_err(|e| failed(&e))?;
        let root = root
            .titled(title, ("sans-serif", 22))
            .map_err(|e| failed(&e))?;
        draw(&root).map_err(|e| failed(&e))?;
        root.present().map_err(|e| failed(&e))?;
    }
    png(&pixels, width, height)
}

/// Draws the figure and returns it as a PNG.
pub fn draw(figure: &Figure) -> Result<Vec<u8>> {
    let panels = 3 + u32::from(figure.mask.is_some());
    canvas(&figure.title, (WIDTH, PANEL * panels), |root| {
        let areas = root.split_evenly((panels as usize, 1));
        let mut areas = areas.iter();
        let mut next = || areas.next().ok_or("no room");

        let (wave, rate) = &figure.wave;
        let seconds = wave.len() as f64 / f64::from(*rate);
        let top = f64::from(*rate) / 2000.0;
        panel::wave(next()?, "waveform", wave, seconds)?;

        let (title, levels) = &figure.levels;
        let peak = levels.iter().copied().fold(figure.floor + 1.0, f32::max);
        let scale = panel::Scale {
            low: figure.floor,
            high: peak,
            unit: "dB",
        };
        let position = |x: f32| (x - scale.low) / (scale.high - scale.low);
        panel::image(
            next()?,
            title,
            levels,
            panel::Pool::Max,
            (seconds, top),
            Some(&scale),
            |x| colour::level(position(x)),
        )?;

        if let Some((title, mask)) = &figure.mask {
            panel::image(
                next()?,
                title,
                mask,
                panel::Pool::Mean,
                (seconds, top),
                None,
                colour::share,
            )?;
        }

        let (title, phase) = &figure.phase;
        let scale = panel::Scale {
            low: -std::f32::consts::PI,
            high: std::f32::consts::PI,
            unit: "rad",
        };
        panel::image(
            next()?,
            title,
            phase,
            panel::Pool::First,
            (seconds, top),
            Some(&scale),
            |x| {
                if x.is_nan() {
                    [255; 3]
                } else {
                    colour::phase(x)
                }
            },
        )?;
        Ok(())
    })
}

/// 8-bit RGB pixels as the bytes of a PNG file.
fn png(pixels: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    let failed =
        |e: png::EncodingError| Error(format!("the figure could not be written as PNG: {e}"));
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().map_err(failed)?;
    writer.write_image_data(pixels).map_err(failed)?;
    writer.finish().map_err(failed)?;
    Ok(bytes)
}

/// The width and the pixels of a picture that was drawn.
#[cfg(test)]
pub(crate) fn read_png(bytes: &[u8]) -> (usize, Vec<[u8; 3]>) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes))
        .read_info()
        .expect("a PNG");
    let mut pixels = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut pixels).expect("pixels");
    let pixels = pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]);
    (info.width as usize, pixels.collect())
}

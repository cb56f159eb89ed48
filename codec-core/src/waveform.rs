//! The waveform layer: the lowest band as coefficients of a lapped transform (Spec §5.7, §9.6).
//!
//! The ear, and every measure of speech, is pickiest where the first harmonics lie, and there are few bins. Below
//! some hundred hertz a coefficient costs about what a kept value does, but brings the phase along: what comes out
//! is not completed and not rebuilt, and the phases of everything above start from it.

use crate::levels;
use crate::planes::Planes;
use crate::policy::threshold_step;
use crate::stft::{level, Complex32, Transform};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::{Header, Stft};
use codec_format::symbols::{SparseImage, MAX_INDEX};
use core::f64::consts::PI;
use ndarray::{Array2, ArrayView2};

/// Share of a step from which on a coefficient is kept: somewhat more than half saves more bits than it costs.
const DEAD_ZONE: f32 = 0.62;
/// What is added to a kept magnitude before it is rounded down.
const ROUNDING: f32 = 0.42;

/// The lapped transform (MDCT with the sine window; Princen, Johnson and Bradley 1987) of the lowest coefficients.
///
/// Block `t` covers the `2 hop` samples around the centre of coded frame `t`, as the frame's own window does.
#[derive(Debug, Clone)]
pub struct Lapped {
    hop: usize,
    /// Coefficients x `2 hop`: window times cosine.
    basis: Array2<f32>,
}

impl Lapped {
    /// The transform of `coefficients` coefficients on a stream's coded grid.
    #[must_use]
    pub fn new(stft: &Stft, coefficients: u8) -> Self {
        let hop = usize::from(stft.hop);
        let m = hop as f64;
        let basis = Array2::from_shape_fn((usize::from(coefficients), 2 * hop), |(k, n)| {
            let at = n as f64 + 0.5;
            let window = libm::sin(PI * at / (2.0 * m));
            let wave = libm::cos(PI / m * (at + 0.5 * m) * (k as f64 + 0.5));
            (window * wave) as f32
        });
        Lapped { hop, basis }
    }

    /// That of a header, if it has a waveform layer.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let shape = header.waveform?;
        Some(Lapped::new(&header.stft, shape.coefficients))
    }

    /// Coefficients of the `frames` blocks from `first` on of a signal whose sample 0 lies at position `origin`;
    /// it is silent outside. Returns frames x coefficients, in the units of the unnormalised spectrum: a sine of
    /// amplitude 1 reaches about `0.64 hop`.
    #[must_use]
    pub fn analyse(&self, signal: &[f32], origin: i64, first: i64, frames: usize) -> Array2<f32> {
        let mut out = Array2::zeros((frames, self.basis.nrows()));
        let mut block = vec![0.0f32; 2 * self.hop];
        for (t, mut row) in out.outer_iter_mut().enumerate() {
            let start = (first + t as i64 - 1) * self.hop as i64 - origin;
            for (i, x) in block.iter_mut().enumerate() {
                let at = usize::try_from(start + i as i64).ok();
                *x = at.and_then(|at| signal.get(at)).copied().unwrap_or(0.0);
            }
            for (x, wave) in row.iter_mut().zip(self.basis.outer_iter()) {
                *x = block.iter().zip(wave).map(|(a, b)| a * b).sum();
            }
        }
        out
    }

    /// Adds a block to `out`, `2 hop` samples.
    fn add(&self, coefficients: &[f32], out: &mut [f32]) {
        let mut sum = vec![0.0f32; out.len()];
        for (&x, wave) in coefficients.iter().zip(self.basis.outer_iter()) {
            if x != 0.0 {
                for (s, &w) in sum.iter_mut().zip(wave) {
                    *s += x * w;
                }
            }
        }
        let scale = 2.0 / self.hop as f32;
        for (y, s) in out.iter_mut().zip(&sum) {
            *y += s * scale;
        }
    }
}

/// The quantiser's step in a frame with threshold index `threshold` (Spec §9.6).
fn step(header: &Header, threshold: u8) -> f32 {
    let offset = header
        .waveform
        .map_or(0.0, |w| f32::from(w.step) * levels::UNIT);
    let level = levels::threshold(threshold_step(header), threshold) + offset;
    levels::magnitude(level + levels::origin(&header.quantiser))
}

/// The indices of a segment's coefficients (frames x at least as many as the header has), frame by frame.
#[must_use]
pub fn quantise(header: &Header, coefficients: ArrayView2<'_, f32>, thresholds: &[u8]) -> Vec<i16> {
    let count = header.coefficients();
    let mut out = Vec::with_capacity(coefficients.nrows() * count);
    for (row, &threshold) in coefficients.outer_iter().zip(thresholds) {
        let step = step(header, threshold);
        out.extend(row.iter().take(count).map(|&x| {
            let size = (if x < 0.0 { -x } else { x }) / step;
            if size < DEAD_ZONE {
                return 0;
            }
            let index = libm::floorf(size + ROUNDING).clamp(0.0, f32::from(MAX_INDEX)) as i16;
            if x < 0.0 {
                -index
            } else {
                index
            }
        }));
    }
    out
}

/// The lowest band of one channel on its way from indices to spectra.
#[derive(Debug)]
pub struct LowBand {
    lapped: Lapped,
    covered: usize,
    /// Samples from position `start` on; those of the last hop lack the block to come.
    signal: Vec<f32>,
    start: i64,
    /// Blocks added.
    blocks: i64,
    /// Frames of the synthesis grid whose spectra were taken.
    taken: i64,
}

impl LowBand {
    /// That of a stream with a waveform layer.
    #[must_use]
    pub fn of(header: &Header) -> Option<Self> {
        let lapped = Lapped::of(header)?;
        Some(LowBand {
            start: -(lapped.hop as i64),
            lapped,
            covered: header.covered_bins(),
            signal: Vec::new(),
            blocks: 0,
            taken: 0,
        })
    }

    /// Adds the blocks of the next segment, which must be as long as its frames.
    pub fn push(&mut self, header: &Header, image: &SparseImage) {
        let hop = self.lapped.hop;
        let count = self.lapped.basis.nrows();
        for (row, &threshold) in image.waveform().chunks(count).zip(image.thresholds()) {
            let step = step(header, threshold);
            let coefficients: Vec<f32> = row.iter().map(|&q| f32::from(q) * step).collect();
            let at = ((self.blocks - 1) * hop as i64 - self.start) as usize;
            if self.signal.len() < at + 2 * hop {
                self.signal.resize(at + 2 * hop, 0.0);
            }
            self.lapped
                .add(&coefficients, &mut self.signal[at..at + 2 * hop]);
            self.blocks += 1;
        }
    }

    /// Spectra of the next `frames` frames of the grid of `transform`, frames x covered bins. The blocks that reach
    /// into them must have been pushed, as far as there are any.
    pub fn take(&mut self, transform: &Transform, frames: usize) -> Array2<Complex32> {
        let spectra = transform.spectra(&self.signal, self.start, self.taken, frames);
        self.taken += frames as i64;
        let needed = self.taken * transform.hop() as i64 - transform.n_fft() as i64 / 2;
        // The next block is added from here on.
        let needed = needed.min((self.blocks - 1) * self.lapped.hop as i64);
        let drop = ((needed - self.start).max(0) as usize).min(self.signal.len());
        self.signal.drain(..drop);
        self.start += drop as i64;
        Array2::from_shape_fn((frames, self.covered), |at| spectra[at])
    }
}

/// Writes the lowest band's levels into the planes of a segment, as kept values: `spectra` are those of `up` frames
/// for each of its own, `origin` in dB.
pub fn cover(planes: &mut Planes, spectra: ArrayView2<'_, Complex32>, up: usize, origin: f32) {
    for ((fine, bin), &z) in spectra.indexed_iter() {
        if fine % up == 0 {
            let at = (fine / up, bin);
            let above = level(z) - origin;
            let above = if above > 0.0 { above } else { 0.0 };
            planes.values[at] = above;
            planes.image[at] = above;
            planes.mask[at] = 1.0;
        }
    }
}

/// Magnitude and direction of a spectral value; the direction of nothing is 1.
pub(crate) fn polar(z: Complex32) -> (f32, Complex32) {
    let size = libm::sqrtf(z.re * z.re + z.im * z.im);
    if size > 1e-20 {
        (size, Complex32::new(z.re / size, z.im / size))
    } else {
        (0.0, Complex32::new(1.0, 0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Policy, Settings};
    use codec_format::header::{Signal, WaveformShape};
    use codec_format::symbols::{Kept, Mask};

    fn header(step: i8) -> Header {
        let settings = Settings {
            waveform: Some(WaveformShape {
                coefficients: 24,
                step,
            }),
            policy: Policy::Ridge {
                margin: 0.0,
                threshold_step: 8,
            },
            ..Settings::speech()
        };
        let mono = Signal {
            rate: 16_000,
            channels: 1,
        };
        settings.header(mono, None, -300, None)
    }

    /// A sum of sines below 600 Hz, with an onset.
    fn sound(len: usize) -> Vec<f32> {
        (0..len)
            .map(|i| {
                let sine = |f: f32, p: f32| libm::sinf(f * i as f32 * 0.000_392_7 + p);
                let on = if i > len / 3 { 0.3 } else { 0.01 };
                on * (sine(110.0, 0.0) + 0.5 * sine(220.0, 1.0) + 0.3 * sine(540.0, 2.0))
            })
            .collect()
    }

    fn image(header: &Header, thresholds: Vec<u8>, waveform: Vec<i16>) -> SparseImage {
        let frames = thresholds.len();
        SparseImage {
            kept: Kept::Ridge {
                mask: Mask::repeat(false, 257 * frames),
                values: Vec::new(),
                thresholds,
                waveform,
            },
            ..SparseImage::silent(header, frames)
        }
    }

    #[test]
    fn fine_steps_give_the_band_back_however_the_segments_are_cut() {
        let header = header(40);
        let pcm = sound(64 * 256);
        let lapped = Lapped::of(&header).unwrap();
        let coefficients = lapped.analyse(&pcm, 0, 0, 65);
        let thresholds = vec![0; 65];
        let indices = quantise(&header, coefficients.view(), &thresholds);
        let part = |from: usize, to: usize| {
            let indices = indices[from * 24..to * 24].to_vec();
            image(&header, thresholds[from..to].to_vec(), indices)
        };
        let whole = part(0, 65);
        let transform = Transform::new(&header.stft, 64).unwrap();
        let wanted = transform.spectra(&pcm, 0, 0, 65 * 4);
        let mut low = LowBand::of(&header).unwrap();
        low.push(&header, &whole);
        let all = low.take(&transform, 65 * 4);
        let (mut error, mut power) = (0.0f64, 0.0f64);
        for ((frame, bin), z) in all.indexed_iter() {
            // The stream's ends have no block beyond them.
            if (8..64 * 4 - 8).contains(&frame) {
                let w = wanted[(frame, bin)];
                error += f64::from((z.re - w.re).powi(2) + (z.im - w.im).powi(2));
                power += f64::from(w.re * w.re + w.im * w.im);
            }
        }
        assert!(error < 1e-4 * power, "{error} of {power}");

        let mut cut = LowBand::of(&header).unwrap();
        cut.push(&header, &part(0, 16));
        let mut rows = 0;
        for segment in 1..=4 {
            let end = (16 * segment + 16).min(65);
            cut.push(&header, &part(16 * segment, end));
            let some = cut.take(&transform, 64);
            for ((frame, bin), z) in some.indexed_iter() {
                assert_eq!(*z, all[(rows + frame, bin)]);
            }
            rows += 64;
        }
    }

    #[test]
    fn a_forged_step_stays_finite() {
        let mut header = header(127);
        header.quantiser.origin = i16::MAX;
        let image = image(&header, vec![255; 4], vec![MAX_INDEX; 4 * 24]);
        let mut low = LowBand::of(&header).unwrap();
        low.push(&header, &image);
        let transform = Transform::new(&header.stft, 64).unwrap();
        for &z in &low.take(&transform, 16) {
            let (size, unit) = polar(z);
            assert!(size.is_finite() && unit.re.is_finite() && unit.im.is_finite());
        }
    }
}

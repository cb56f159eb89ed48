//! Phase gradient heap integration (Prusa, Balazs, Sondergaard 2017).
//!
//! For a Gaussian window the phase's gradient follows from that of the log-magnitude; for other windows
//! nearly so. The phase is integrated from the loudest pixel outwards, loudest neighbours first.

use super::Block;
use crate::stft::{Complex32, Transform};
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::WindowKind;
use core::cmp::Ordering;
use core::f32::consts::PI;

/// Pixels this many nepers below the block's loudest get a random phase: 120 dB in power, as the paper's
/// relative tolerance of 1e-6 in magnitude.
const REACH: f32 = 13.815_511;

/// Time-frequency ratio of a window of `length` samples, in samples squared: the variance ratio of the
/// Gaussian nearest to it. Hann: Prusa 2017, table I; sine: least squares between the two windows.
#[must_use]
pub fn gamma(window: WindowKind, length: usize) -> f32 {
    let factor = match window {
        WindowKind::Hann => 0.256_45,
        WindowKind::Sine => 0.424_65,
    };
    factor * (length * length) as f32
}

#[derive(PartialEq, Eq)]
struct Candidate {
    /// Order-preserving bits of the log-magnitude.
    loudness: i32,
    pixel: usize,
}

impl Ord for Candidate {
    fn cmp(&self, other: &Self) -> Ordering {
        // Of equally loud pixels the earlier one goes first, so that the order is total.
        self.loudness.cmp(&other.loudness).then(other.pixel.cmp(&self.pixel))
    }
}

impl PartialOrd for Candidate {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Maps a finite f32 to an integer of the same order.
fn sortable(x: f32) -> i32 {
    let bits = x.to_bits() as i32;
    bits ^ (((bits >> 31) as u32) >> 1) as i32
}

/// A phase in -pi..pi for a pixel nobody hears, from its place in the stream (SplitMix64's finaliser).
fn arbitrary(place: u64) -> f32 {
    let mut z = place.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    ((z >> 40) as f32 / 16_777_216.0 * 2.0 - 1.0) * PI
}

/// Brings an angle near zero, so that sums of many stay exact.
fn wrap(angle: f32) -> f32 {
    angle - 2.0 * PI * libm::floorf(angle / (2.0 * PI) + 0.5)
}

/// Spectra with the block's magnitudes and integrated phases; `fixed` pixels are taken as they are and the
/// integration starts from them.
pub(super) fn integrate(transform: &Transform, block: &Block<'_>, fixed: &[Option<Complex32>]) -> Vec<Complex32> {
    let (frames, bins) = block.magnitudes.dim();
    let (hop, n) = (transform.hop() as f32, transform.n_fft() as f32);
    let length = transform.window().iter().filter(|&&w| w != 0.0).count() + 1;
    let gamma = gamma(block.window, length);
    let log: Vec<f32> = block.magnitudes.iter().map(|&a| libm::logf(if a > 1e-12 { a } else { 1e-12 })).collect();
    let loudest = log.iter().fold(f32::MIN, |a, &b| if b > a { b } else { a });
    let floor = loudest - REACH;

    let along_time = hop * n / gamma;
    let along_bins = gamma / (hop * n);
    let advance = 2.0 * PI * hop / n;
    // Phase steps per frame and per bin at a pixel, in radians.
    let per_frame = |pixel: usize| {
        let bin = pixel % bins;
        let slope = central(bin, bins, |b| log[pixel - bin + b]);
        along_time * slope + advance * bin as f32
    };
    let per_bin = |pixel: usize| {
        let (frame, bin) = (pixel / bins, pixel % bins);
        -along_bins * central(frame, frames, |f| log[f * bins + bin]) - PI
    };

    let mut phase = vec![0.0f32; frames * bins];
    let mut open: Vec<bool> = log.iter().map(|&l| l > floor).collect();
    let mut heap = BinaryHeap::new();
    for (pixel, value) in fixed.iter().enumerate() {
        if let Some(z) = value {
            phase[pixel] = libm::atan2f(z.im, z.re);
            if open[pixel] {
                heap.push(Candidate { loudness: sortable(log[pixel]), pixel });
            }
            open[pixel] = false;
        }
    }
    let mut seeds: Vec<usize> = (0..frames * bins).filter(|&p| open[p]).collect();
    seeds.sort_by(|&a, &b| sortable(log[b]).cmp(&sortable(log[a])).then(a.cmp(&b)));
    let mut seeds = seeds.into_iter();
    loop {
        while let Some(Candidate { pixel, .. }) = heap.pop() {
            let (frame, bin) = (pixel / bins, pixel % bins);
            let mut visit = |to: usize, step: f32| {
                if open[to] {
                    open[to] = false;
                    phase[to] = wrap(phase[pixel] + step);
                    heap.push(Candidate { loudness: sortable(log[to]), pixel: to });
                }
            };
            if frame + 1 < frames && open_at(fixed, pixel + bins) {
                visit(pixel + bins, 0.5 * (per_frame(pixel) + per_frame(pixel + bins)));
            }
            if frame > 0 && open_at(fixed, pixel - bins) {
                visit(pixel - bins, -0.5 * (per_frame(pixel) + per_frame(pixel - bins)));
            }
            if bin + 1 < bins && open_at(fixed, pixel + 1) {
                visit(pixel + 1, 0.5 * (per_bin(pixel) + per_bin(pixel + 1)));
            }
            if bin > 0 && open_at(fixed, pixel - 1) {
                visit(pixel - 1, -0.5 * (per_bin(pixel) + per_bin(pixel - 1)));
            }
        }
        match seeds.find(|&p| open[p]) {
            Some(pixel) => {
                open[pixel] = false;
                heap.push(Candidate { loudness: sortable(log[pixel]), pixel });
            }
            None => break,
        }
    }
    (0..frames * bins)
        .map(|pixel| {
            if let Some(value) = fixed[pixel] {
                return value;
            }
            let angle = if log[pixel] > floor {
                phase[pixel]
            } else {
                arbitrary(block.first_frame.wrapping_mul(bins as u64).wrapping_add(pixel as u64))
            };
            let magnitude = block.magnitudes[(pixel / bins, pixel % bins)];
            let (sin, cos) = libm::sincosf(angle);
            Complex32::new(magnitude * cos, magnitude * sin)
        })
        .collect()
}

fn open_at(fixed: &[Option<Complex32>], pixel: usize) -> bool {
    fixed[pixel].is_none()
}

/// Slope at `at` of `len` values: central inside, one-sided at the ends.
fn central(at: usize, len: usize, value: impl Fn(usize) -> f32) -> f32 {
    if len < 2 {
        0.0
    } else if at == 0 {
        value(1) - value(0)
    } else if at + 1 == len {
        value(at) - value(at - 1)
    } else {
        0.5 * (value(at + 1) - value(at - 1))
    }
}

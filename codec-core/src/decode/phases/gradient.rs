//! Phase gradient heap integration (Prusa, Balazs, Sondergaard 2017).
//!
//! For a Gaussian window the phase's gradient follows from that of the log-magnitude; for other windows
//! nearly so. The phase is integrated from the loudest pixel outwards, loudest neighbours first.

use super::Block;
use crate::transform::stft::{Complex32, Transform};
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::WindowKind;
use core::f32::consts::PI;

/// Pixels this many nepers below the block's loudest get a random phase: 120 dB in power, as the paper's
/// relative tolerance of 1e-6 in magnitude.
const REACH: f32 = 13.815_511;

/// Time-frequency ratio of a window of `length` samples, in samples squared: that of the Gaussian it is taken for.
/// Hann: Prusa 2017, table I; sine: between the ratios of the Gaussians nearest to it in least squares, 0.451 over the
/// window alone and 0.415 over all time.
#[must_use]
pub fn gamma(window: WindowKind, length: usize) -> f32 {
    let factor = match window {
        WindowKind::Hann => 0.256_45,
        WindowKind::Sine => 0.424_65,
    };
    factor * (length * length) as f32
}

/// A pixel in the heap: loudest first, of equally loud ones the earlier, so that the order is total.
/// The upper half holds the loudness in order-preserving bits, the lower the complement of the index.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate(u64);

impl Candidate {
    fn new(log: f32, pixel: usize) -> Self {
        Candidate(u64::from(sortable(log)) << 32 | u64::from(!(pixel as u32)))
    }

    fn pixel(self) -> usize {
        !(self.0 as u32) as usize
    }
}

/// Maps a finite f32 to an integer of the same order.
fn sortable(x: f32) -> u32 {
    let bits = x.to_bits();
    if bits >> 31 == 0 {
        bits | 1 << 31
    } else {
        !bits
    }
}

/// A phase in -pi..pi for a pixel nobody hears, from its place in the stream (SplitMix64's finaliser).
pub(super) fn arbitrary(place: u64) -> f32 {
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
pub(super) fn integrate(
    transform: &Transform,
    block: &Block<'_>,
    fixed: &[Option<Complex32>],
) -> Vec<Complex32> {
    let (frames, bins) = block.magnitudes.dim();
    let (hop, n) = (transform.hop() as f32, transform.n_fft() as f32);
    let gamma = gamma(transform.window(), transform.window_length());
    let log: Vec<f32> = block
        .magnitudes
        .iter()
        .map(|&a| libm::logf(if a > 1e-12 { a } else { 1e-12 }))
        .collect();
    let loudest = log.iter().fold(f32::MIN, |a, &b| if b > a { b } else { a });
    let floor = loudest - REACH;

    let along_time = hop * n / gamma;
    let along_bins = gamma / (hop * n);
    let advance = 2.0 * PI * hop / n;
    // Phase steps per frame and per bin at every pixel, in radians.
    let mut per_frame = vec![0.0f32; frames * bins];
    let mut per_bin = vec![0.0f32; frames * bins];
    for frame in 0..frames {
        let row = frame * bins;
        for bin in 0..bins {
            per_frame[row + bin] =
                along_time * central(bin, bins, |b| log[row + b]) + advance * bin as f32;
            per_bin[row + bin] = -along_bins * central(frame, frames, |f| log[f * bins + bin]) - PI;
        }
    }

    let mut phase = vec![0.0f32; frames * bins];
    let mut open: Vec<bool> = log.iter().map(|&l| l > floor).collect();
    let mut heap = BinaryHeap::new();
    for (pixel, value) in fixed.iter().enumerate() {
        if let Some(z) = value {
            phase[pixel] = libm::atan2f(z.im, z.re);
            if open[pixel] {
                heap.push(Candidate::new(log[pixel], pixel));
            }
            open[pixel] = false;
        }
    }
    // Where the integration starts anew when it can spread no further. The loudest pixel usually reaches all
    // others, so what is left is only sorted after it has spread.
    let mut seeds: Vec<Candidate> = Vec::new();
    if let Some(first) = (0..frames * bins)
        .filter(|&p| open[p])
        .map(|p| Candidate::new(log[p], p))
        .max()
    {
        seeds.push(first);
    }
    let mut sorted = false;
    loop {
        while let Some(candidate) = heap.pop() {
            let pixel = candidate.pixel();
            let (frame, bin) = (pixel / bins, pixel % bins);
            let mut visit = |to: usize, step: f32| {
                if open[to] {
                    open[to] = false;
                    phase[to] = wrap(phase[pixel] + step);
                    heap.push(Candidate::new(log[to], to));
                }
            };
            if frame + 1 < frames {
                visit(
                    pixel + bins,
                    0.5 * (per_frame[pixel] + per_frame[pixel + bins]),
                );
            }
            if frame > 0 {
                visit(
                    pixel - bins,
                    -0.5 * (per_frame[pixel] + per_frame[pixel - bins]),
                );
            }
            if bin + 1 < bins {
                visit(pixel + 1, 0.5 * (per_bin[pixel] + per_bin[pixel + 1]));
            }
            if bin > 0 {
                visit(pixel - 1, -0.5 * (per_bin[pixel] + per_bin[pixel - 1]));
            }
        }
        let seed = loop {
            match seeds.pop() {
                Some(seed) if open[seed.pixel()] => break Some(seed),
                Some(_) => {}
                None if sorted => break None,
                None => {
                    seeds.extend(
                        (0..frames * bins)
                            .filter(|&p| open[p])
                            .map(|p| Candidate::new(log[p], p)),
                    );
                    seeds.sort_unstable();
                    sorted = true;
                }
            }
        };
        match seed {
            Some(seed) => {
                open[seed.pixel()] = false;
                heap.push(seed);
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
                arbitrary(
                    block
                        .first_frame
                        .wrapping_mul(bins as u64)
                        .wrapping_add(pixel as u64),
                )
            };
            let magnitude = block.magnitudes[(pixel / bins, pixel % bins)];
            let (sin, cos) = libm::sincosf(angle);
            Complex32::new(magnitude * cos, magnitude * sin)
        })
        .collect()
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

//! The convolution kernel.
//!
//! Each output is `((0 + x0 w0) + x1 w1) + ...`, over frames of the kernel, then its bins, then input
//! channels, every product and sum rounded to f32. Wide registers hold *different outputs* side by side,
//! never parts of one sum, and products are never fused with sums: so any vector width, and none at all,
//! gives the same bits (Spec §8.3).

use super::tensor::Padded;
use alloc::vec;
use alloc::vec::Vec;

/// Outputs computed side by side.
const BLOCK: usize = 8;

/// Weights of one convolution in the order they are read: blocks of 8, 16 or 24 outputs; within a block
/// kernel frame, kernel bin, input channel, output. Missing outputs of the last block are zero.
#[derive(Debug, Clone)]
pub struct Weights {
    outputs: usize,
    kernel_frames: usize,
    /// Inputs of one kernel row: kernel bins x channels.
    span: usize,
    data: Vec<f32>,
}

impl Weights {
    /// Collects `weight(output, input, kernel bin, kernel frame)`.
    #[must_use]
    pub fn new(
        outputs: usize,
        inputs: usize,
        kernel_bins: usize,
        kernel_frames: usize,
        weight: impl Fn(usize, usize, usize, usize) -> f32,
    ) -> Self {
        let span = kernel_bins * inputs;
        let padded = (outputs + BLOCK - 1) / BLOCK * BLOCK;
        let mut data = vec![0.0; padded * span * kernel_frames];
        let mut at = 0;
        let mut first = 0;
        while first < outputs {
            let width = block_width(outputs - first);
            for f in 0..kernel_frames {
                for b in 0..kernel_bins {
                    for i in 0..inputs {
                        for o in first..(first + width).min(outputs) {
                            data[at + o - first] = weight(o, i, b, f);
                        }
                        at += width;
                    }
                }
            }
            first += width;
        }
        Weights {
            outputs,
            kernel_frames,
            span,
            data,
        }
    }
}

/// Outputs of the next block when `left` remain: as many as registers hold together.
fn block_width(left: usize) -> usize {
    match left {
        17.. => 3 * BLOCK,
        9..=16 => 2 * BLOCK,
        _ => BLOCK,
    }
}

/// Adds the convolution of `input` to `out` (frames x bins x outputs, flat): `out += scale * conv`, the
/// scale one factor a pixel, or absent.
pub fn convolve(
    input: &Padded,
    frames: usize,
    bins: usize,
    weights: &Weights,
    scale: Option<&[f32]>,
    out: &mut [f32],
) {
    let job = Job {
        input,
        frames,
        bins,
        weights,
        scale,
    };
    if !wide::run_if_available(&job, out) {
        portable(&job, out);
    }
}

#[cfg(target_arch = "x86_64")]
#[path = "kernel_avx2.rs"]
mod wide;

/// Processors without a wider variant of the kernel.
#[cfg(not(target_arch = "x86_64"))]
mod wide {
    pub(super) fn run_if_available(_: &super::Job<'_>, _: &mut [f32]) -> bool {
        false
    }
}

struct Job<'a> {
    input: &'a Padded,
    frames: usize,
    bins: usize,
    weights: &'a Weights,
    scale: Option<&'a [f32]>,
}

/// The kernel for registers of any width; two pixels at a time suit four lanes.
fn portable(job: &Job<'_>, out: &mut [f32]) {
    run::<2>(job, out);
}

/// All blocks of outputs, `P` pixels of 24 outputs (or as many values of narrower blocks) at a time.
#[inline(always)]
fn run<const P: usize>(job: &Job<'_>, out: &mut [f32]) {
    let weights = job.weights;
    let mut first = 0;
    let mut at = 0;
    while first < weights.outputs {
        let width = block_width(weights.outputs - first);
        let len = width * weights.span * weights.kernel_frames;
        let data = &weights.data[at..at + len];
        match width {
            24 => block::<24, P>(job, data, first, out),
            16 => block::<16, P>(job, data, first, out),
            _ => block::<8, P>(job, data, first, out),
        }
        first += width;
        at += len;
    }
}

/// One block of `O` outputs for every pixel, `P` neighbouring bins at a time.
#[inline(always)]
fn block<const O: usize, const P: usize>(
    job: &Job<'_>,
    data: &[f32],
    first: usize,
    out: &mut [f32],
) {
    let (outputs, span) = (job.weights.outputs, job.weights.span);
    let channels = job.input.channels;
    let used = O.min(outputs - first);
    for frame in 0..job.frames {
        let rows = &job.input.data[frame * job.input.row..];
        let mut bin = 0;
        while bin < job.bins {
            let pixels = P.min(job.bins - bin);
            let mut sums = [[0.0f32; O]; P];
            if pixels == P {
                tile::<O, P>(
                    rows,
                    job.input.row,
                    bin * channels,
                    channels,
                    span,
                    data,
                    &mut sums,
                );
            } else {
                for (p, sum) in sums.iter_mut().enumerate().take(pixels) {
                    let mut one = [[0.0f32; O]; 1];
                    tile::<O, 1>(
                        rows,
                        job.input.row,
                        (bin + p) * channels,
                        channels,
                        span,
                        data,
                        &mut one,
                    );
                    *sum = one[0];
                }
            }
            for (p, sum) in sums.iter().enumerate().take(pixels) {
                let pixel = frame * job.bins + bin + p;
                let factor = job.scale.map_or(1.0, |s| s[pixel]);
                for (y, s) in out[pixel * outputs + first..][..used].iter_mut().zip(sum) {
                    *y += s * factor;
                }
            }
            bin += pixels;
        }
    }
}

/// The sums of `P` neighbouring pixels, whose first window starts at `start` of the first row.
#[inline(always)]
fn tile<const O: usize, const P: usize>(
    rows: &[f32],
    row: usize,
    start: usize,
    channels: usize,
    span: usize,
    data: &[f32],
    sums: &mut [[f32; O]; P],
) {
    let mut acc = *sums;
    for (f, weights) in data.chunks_exact(span * O).enumerate() {
        let line = &rows[f * row + start..][..span + (P - 1) * channels];
        let mut windows = [&line[..span]; P];
        for (p, window) in windows.iter_mut().enumerate() {
            *window = &line[p * channels..][..span];
        }
        // All windows have `span` values and so have the weights: said once, so that the loop need not check.
        let span = weights.len() / O;
        for window in &mut windows {
            *window = &window[..span];
        }
        for (j, w) in (0..span).zip(weights.chunks_exact(O)) {
            for p in 0..P {
                let x = windows[p][j];
                for o in 0..O {
                    acc[p][o] += x * w[o];
                }
            }
        }
    }
    *sums = acc;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls `check` with a random convolution over 5 frames x 23 bins and its number of outputs.
    pub(super) fn random_job(
        outputs: usize,
        channels: usize,
        kernel_bins: usize,
        kernel_frames: usize,
        check: impl Fn(&Job<'_>, usize),
    ) {
        let (frames, bins) = (5, 23);
        let mut state = 7u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        };
        let row = (bins + kernel_bins - 1) * channels;
        let data = (0..row * (frames + kernel_frames - 1))
            .map(|_| next())
            .collect();
        let table: Vec<f32> = (0..outputs * channels * kernel_bins * kernel_frames)
            .map(|_| next())
            .collect();
        let weights = Weights::new(
            outputs,
            channels,
            kernel_bins,
            kernel_frames,
            |o, i, b, f| table[((o * channels + i) * kernel_bins + b) * kernel_frames + f],
        );
        let input = Padded {
            row,
            channels,
            data,
        };
        let job = Job {
            input: &input,
            frames,
            bins,
            weights: &weights,
            scale: None,
        };
        check(&job, frames * bins * outputs);
        // The definition, summed in the order the specification gives.
        let mut out = vec![0.0; frames * bins * outputs];
        portable(&job, &mut out);
        for (frame, bin, o) in [
            (0, 0, 0),
            (frames - 1, bins - 1, outputs - 1),
            (2, 11, outputs / 2),
        ] {
            let mut sum = 0.0f32;
            for f in 0..kernel_frames {
                for b in 0..kernel_bins {
                    for i in 0..channels {
                        let x = input.data[(frame + f) * row + (bin + b) * channels + i];
                        sum +=
                            x * table[((o * channels + i) * kernel_bins + b) * kernel_frames + f];
                    }
                }
            }
            assert_eq!(out[(frame * bins + bin) * outputs + o], sum);
        }
    }

    #[test]
    fn every_block_width_follows_the_definition() {
        for outputs in [1, 8, 9, 16, 17, 24, 25, 40, 48] {
            random_job(outputs, 3, 3, 5, |_, _| {});
        }
    }
}

//! Convolutions whose outputs all read the same inputs.

use super::{store, Job, LANES};
use alloc::vec::Vec;

/// Outputs of the next block when `left` remain: as many as registers hold together.
pub(super) fn block_width(left: usize) -> usize {
    match left {
        17.. => 3 * LANES,
        9..=16 => 2 * LANES,
        _ => LANES,
    }
}

/// All blocks of outputs, `P` pixels of 24 outputs (or as many numbers of narrower blocks) at a time.
#[inline(always)]
pub(super) fn run<const P: usize>(job: &Job<'_>, out: &mut [f32]) {
    let weights = job.weights;
    let mut first = 0;
    let mut at = 0;
    while first < weights.outputs {
        let width = block_width(weights.outputs - first);
        let len = width * weights.inputs * weights.bins * weights.frames;
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
    let window = Window::new(job);
    for frame in 0..job.frames {
        let rows = &job.input[frame * job.geometry.frame..];
        let mut bin = 0;
        while bin < job.bins {
            let pixels = P.min(job.bins - bin);
            let pixel = frame * job.bins + bin;
            let start = bin * job.geometry.bin;
            if pixels == P {
                let mut sums = [[0.0; O]; P];
                window.sum(&rows[start..], data, &mut sums);
                for (p, sums) in sums.iter().enumerate() {
                    store(job, sums, pixel + p, first, out);
                }
            } else {
                for p in 0..pixels {
                    let start = start + p * job.geometry.bin;
                    let mut sums = [[0.0; O]; 1];
                    window.sum(&rows[start..], data, &mut sums);
                    store(job, &sums[0], pixel + p, first, out);
                }
            }
            bin += pixels;
        }
    }
}

/// What one output reads: runs of numbers that lie together.
struct Window {
    /// Where each run begins, from the window's first number on.
    starts: Vec<usize>,
    /// Numbers of a run: a whole kernel row or, where there are gaps, a pixel.
    run: usize,
    /// From one pixel's window to the next.
    step: usize,
}

impl Window {
    fn new(job: &Job<'_>) -> Self {
        let (geometry, weights) = (job.geometry, job.weights);
        let (mut run, mut runs) = (weights.inputs, weights.bins);
        if geometry.tap_bin == run {
            (run, runs) = (run * runs, 1);
        }
        let row = |f| (0..runs).map(move |b| f * geometry.tap_frame + b * geometry.tap_bin);
        Window {
            starts: (0..weights.frames).flat_map(row).collect(),
            run,
            step: geometry.bin,
        }
    }

    /// The sums of `P` neighbouring pixels, the first of whose windows starts with `rows`.
    #[inline(always)]
    fn sum<const O: usize, const P: usize>(
        &self,
        rows: &[f32],
        data: &[f32],
        out: &mut [[f32; O]; P],
    ) {
        let mut sums = *out;
        let (run, step) = (self.run, self.step);
        for (&start, weights) in self.starts.iter().zip(data.chunks_exact(run * O)) {
            let line = &rows[start..][..run + (P - 1) * step];
            let mut windows = [&line[..run]; P];
            for (p, window) in windows.iter_mut().enumerate() {
                *window = &line[p * step..][..run];
            }
            // All windows are as long as the weights: said once, so that the loop need not check.
            let run = weights.len() / O;
            for window in &mut windows {
                *window = &window[..run];
            }
            for (j, w) in (0..run).zip(weights.chunks_exact(O)) {
                for p in 0..P {
                    let x = windows[p][j];
                    for o in 0..O {
                        sums[p][o] += x * w[o];
                    }
                }
            }
        }
        *out = sums;
    }
}

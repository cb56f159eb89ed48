//! Convolutions whose outputs each have inputs of their own: depthwise ones, and others of small groups.

use super::{store, Job, LANES};
use alloc::vec::Vec;

/// All blocks of outputs.
#[inline(always)]
pub(super) fn run(job: &Job<'_>, out: &mut [f32]) {
    let (geometry, weights) = (job.geometry, job.weights);
    let lanes = geometry.width / weights.inputs;
    // Where each weight's input lies, from the window's first number on.
    let taps = (0..weights.frames).flat_map(|f| (0..weights.bins).map(move |b| (f, b)));
    let starts: Vec<usize> = taps
        .flat_map(|(f, b)| (0..weights.inputs).map(move |i| (f, b, i)))
        .map(|(f, b, i)| f * geometry.tap_frame + b * geometry.tap_bin + i * lanes)
        .collect();
    let blocks = weights.data.chunks_exact(LANES * starts.len());
    for frame in 0..job.frames {
        for bin in 0..job.bins {
            let window = &job.input[frame * geometry.frame + bin * geometry.bin..];
            for (block, data) in blocks.clone().enumerate() {
                let first = block * LANES;
                let mut sums = [0.0; LANES];
                sum(&window[first..], &starts, data, &mut sums);
                store(job, &sums, frame * job.bins + bin, first, out);
            }
        }
    }
}

/// The sums of one block for the pixel whose window is `window`.
#[inline(always)]
fn sum(window: &[f32], starts: &[usize], data: &[f32], out: &mut [f32; LANES]) {
    let mut sums = *out;
    for (&start, w) in starts.iter().zip(data.chunks_exact(LANES)) {
        let x = &window[start..][..LANES];
        for o in 0..LANES {
            sums[o] += x[o] * w[o];
        }
    }
    *out = sums;
}

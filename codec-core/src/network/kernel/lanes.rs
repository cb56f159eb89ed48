//! Convolutions whose outputs each have inputs of their own: depthwise ones, and others of small groups.

use super::{store, Job, LANES};

/// All blocks of outputs, `P` pixels at a time.
#[inline(always)]
pub(super) fn run<const P: usize>(job: &Job<'_>, out: &mut [f32]) {
    let weights = job.weights;
    let len = LANES * weights.inputs * weights.bins * weights.frames;
    for (block, data) in weights.data.chunks_exact(len).enumerate() {
        let first = block * LANES;
        for frame in 0..job.frames {
            let rows = &job.input[frame * job.geometry.frame..];
            let mut bin = 0;
            while bin < job.bins {
                let pixels = P.min(job.bins - bin);
                let pixel = frame * job.bins + bin;
                let start = bin * job.geometry.bin + first;
                if pixels == P {
                    let sums = sum::<P>(job, &rows[start..], data);
                    for (p, sums) in sums.iter().enumerate() {
                        store(job, sums, pixel + p, first, out);
                    }
                } else {
                    for p in 0..pixels {
                        let start = start + p * job.geometry.bin;
                        let [sums] = sum::<1>(job, &rows[start..], data);
                        store(job, &sums, pixel + p, first, out);
                    }
                }
                bin += pixels;
            }
        }
    }
}

/// The sums of one block for `P` neighbouring pixels, the first of whose windows starts with `rows`.
#[inline(always)]
fn sum<const P: usize>(job: &Job<'_>, rows: &[f32], data: &[f32]) -> [[f32; LANES]; P] {
    let (geometry, weights) = (job.geometry, job.weights);
    let mut sums = [[0.0f32; LANES]; P];
    let lanes = geometry.width / weights.inputs;
    let mut taps = data.chunks_exact(LANES);
    for f in 0..weights.frames {
        for b in 0..weights.bins {
            for i in 0..weights.inputs {
                let Some(w) = taps.next() else { return sums };
                let at = f * geometry.tap_frame + b * geometry.tap_bin + i * lanes;
                let line = &rows[at..][..(P - 1) * geometry.bin + LANES];
                for p in 0..P {
                    let x = &line[p * geometry.bin..][..LANES];
                    for o in 0..LANES {
                        sums[p][o] += x[o] * w[o];
                    }
                }
            }
        }
    }
    sums
}

//! Sums of binary32.

use super::{block_of, weight_at, Filter, Job, BLOCK, LANES};
use crate::simd;
use alloc::vec::Vec;
use codec_format::model::op::Convolution;

/// The numbers of a convolution: for every group blocks of outputs; within a block kernel frame, bin, channel, output.
#[derive(Debug, Clone)]
pub(in crate::network) struct Weights {
    data: Vec<f32>,
    bias: Vec<f32>,
}

impl Weights {
    pub fn new(op: &Convolution, filter: &Filter) -> Self {
        let each = filter.lines * filter.taps;
        let mut data = Vec::with_capacity(op.weights().len());
        for group in 0..usize::from(op.groups) {
            let mut first = 0;
            while first < filter.outputs {
                let block = block_of(filter.outputs - first);
                for line in (0..filter.lines).step_by(filter.inputs.max(1)) {
                    for tap in 0..filter.taps {
                        for line in line..line + filter.inputs {
                            let at = weight_at(op, filter, line, tap);
                            let output = |o| group * filter.outputs + first + o;
                            data.extend((0..block).map(|o| op.weights()[output(o) * each + at]));
                        }
                    }
                }
                first += block;
            }
        }
        Weights {
            data,
            bias: op.bias().to_vec(),
        }
    }
}

pub(in crate::network) fn convolve(weights: &Weights, job: Job<'_, f32>) {
    simd::run(Convolve { weights, job });
}

struct Convolve<'a> {
    weights: &'a Weights,
    job: Job<'a, f32>,
}

impl simd::Kernel for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let Convolve { weights, mut job } = self;
        let outputs = job.filter.outputs;
        let each = job.filter.lines * job.filter.taps;
        let mut data = &weights.data[job.group * outputs * each..][..outputs * each];
        let mut first = 0;
        while first < outputs {
            let block = block_of(outputs - first);
            let (here, rest) = data.split_at(block * each);
            data = rest;
            let output = job.group * outputs + first;
            let bias = &weights.bias[output..][..block];
            match block {
                BLOCK => sum::<BLOCK>(&mut job, here, bias, output),
                _ => sum::<1>(&mut job, here, bias, output),
            }
            first += block;
        }
    }
}

/// One block of `O` outputs for every bin.
#[inline(always)]
fn sum<const O: usize>(job: &mut Job<'_, f32>, weights: &[f32], bias: &[f32], output: usize) {
    let Filter {
        lines,
        taps,
        step,
        inputs,
        ..
    } = *job.filter;
    for from in (0..job.count).step_by(LANES) {
        let mut sums = [[0.0f32; LANES]; O];
        let mut weights = weights.chunks_exact(O);
        for line in (0..lines).step_by(inputs.max(1)) {
            for tap in 0..taps {
                let first = line * job.pitch + from + tap * step;
                for (i, w) in (0..inputs).zip(&mut weights) {
                    let x = &job.tile[first + i * job.pitch..][..LANES];
                    for o in 0..O {
                        for l in 0..LANES {
                            sums[o][l] += x[l] * w[o];
                        }
                    }
                }
            }
        }
        let count = LANES.min(job.count - from);
        for o in 0..O {
            let out = &mut job.out[(output + o) * job.apart + job.bin + from..][..count];
            for (l, y) in out.iter_mut().enumerate() {
                let factor = match job.seen {
                    None => 1.0,
                    Some((counts, area)) => match counts[from + l] {
                        0 => 0.0,
                        count => f32::from(area) / f32::from(count),
                    },
                };
                *y = sums[o][l] * factor + bias[o];
            }
        }
    }
}

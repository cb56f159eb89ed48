//! Sums of whole numbers, two products at a time.

use super::{weight_at, Filter, Job, LANES};
use crate::simd::{self, Pairs};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::op::{Convolution, Numbers};

/// Outputs summed up side by side, where there are as many.
const BLOCK: usize = 4;

/// The numbers of a convolution: for every group blocks of outputs; within a block pair of lines, tap, output.
#[derive(Debug, Clone)]
pub(in crate::network) struct Weights {
    data: Vec<[i16; 2]>,
    outputs: Vec<Output>,
}

/// How a sum becomes an output.
#[derive(Debug, Clone, Copy)]
struct Output {
    shift: u8,
    bias: i32,
}

/// Outputs of the next block when `left` remain.
fn block_of(left: usize) -> usize {
    if left >= BLOCK {
        BLOCK
    } else {
        1
    }
}

impl Weights {
    pub fn new(op: &Convolution, filter: &Filter) -> Self {
        let Numbers::Whole {
            weights,
            shifts,
            bias,
        } = &op.numbers
        else {
            // A checked model does not mix kinds.
            return Weights {
                data: Vec::new(),
                outputs: Vec::new(),
            };
        };
        let each = filter.lines * filter.taps;
        let pairs = filter.lines.div_ceil(2);
        let all = usize::from(op.outputs);
        let mut data = vec![[0; 2]; all * pairs * filter.taps];
        let mut at = 0;
        for group in 0..usize::from(op.groups) {
            let mut first = 0;
            while first < filter.outputs {
                let block = block_of(filter.outputs - first);
                for pair in 0..pairs {
                    for tap in 0..filter.taps {
                        for o in 0..block {
                            let output = group * filter.outputs + first + o;
                            for half in 0..2.min(filter.lines - 2 * pair) {
                                let place = weight_at(op, filter, 2 * pair + half, tap);
                                data[at][half] = weights[output * each + place];
                            }
                            at += 1;
                        }
                    }
                }
                first += block;
            }
        }
        let outputs = shifts.iter().zip(bias);
        Weights {
            data,
            outputs: outputs
                .map(|(&shift, &bias)| Output { shift, bias })
                .collect(),
        }
    }
}

pub(in crate::network) fn convolve(weights: &Weights, job: Job<'_, i16>) {
    simd::run_pairs(Convolve { weights, job });
}

struct Convolve<'a> {
    weights: &'a Weights,
    job: Job<'a, i16>,
}

impl simd::PairKernel for Convolve<'_> {
    #[inline(always)]
    fn run<P: Pairs>(self) {
        let Convolve { weights, mut job } = self;
        let outputs = job.filter.outputs;
        let each = job.filter.lines.div_ceil(2) * job.filter.taps;
        let mut data = &weights.data[job.group * outputs * each..][..outputs * each];
        let mut first = 0;
        while first < outputs {
            let block = block_of(outputs - first);
            let (here, rest) = data.split_at(block * each);
            data = rest;
            let output = job.group * outputs + first;
            let finish = &weights.outputs[output..][..block];
            // As many sums as registers hold beside what is added.
            match (block, P::WIDE) {
                (BLOCK, true) => sum::<P, BLOCK, 3>(&mut job, here, finish, output),
                (BLOCK, false) => sum::<P, BLOCK, 1>(&mut job, here, finish, output),
                (_, true) => sum::<P, 1, 3>(&mut job, here, finish, output),
                (_, false) => sum::<P, 1, 1>(&mut job, here, finish, output),
            }
            first += block;
        }
    }
}

/// One block of `O` outputs for every bin, `V` times [`LANES`] of them side by side.
#[inline(always)]
fn sum<P: Pairs, const O: usize, const V: usize>(
    job: &mut Job<'_, i16>,
    weights: &[[i16; 2]],
    finish: &[Output],
    output: usize,
) {
    let Filter { taps, step, .. } = *job.filter;
    for from in (0..job.count).step_by(V * LANES) {
        let mut sums = [[P::ZERO; V]; O];
        let mut weights = weights.chunks_exact(O);
        for line in job.tile.chunks_exact(job.pitch) {
            for (tap, w) in (0..taps).zip(&mut weights) {
                let x = &line[from + tap * step..][..V * LANES];
                for v in 0..V {
                    let Some(x) = x[v * LANES..].first_chunk() else {
                        continue;
                    };
                    for o in 0..O {
                        sums[o][v] = sums[o][v].plus(x, w[o]);
                    }
                }
            }
        }
        let count = (V * LANES).min(job.count - from);
        for o in 0..O {
            let out = &mut job.out[(output + o) * job.width + job.bin + from..][..count];
            for (v, out) in out.chunks_mut(LANES).enumerate() {
                let sums = sums[o][v].numbers();
                match job.seen {
                    None => plain(&sums, finish[o], out),
                    Some((counts, area)) => {
                        let counts = &counts[from + v * LANES..][..out.len()];
                        sparse(&sums, finish[o], counts, area, out);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn plain(sums: &[i32; LANES], finish: Output, out: &mut [i16]) {
    let Output { shift, bias } = finish;
    let half = (1 << shift) >> 1;
    let mut all = [0; LANES];
    for l in 0..LANES {
        // Neither addition overflows: every model is checked for it.
        let y = sums[l].wrapping_add(bias).wrapping_add(half) >> shift;
        all[l] = y.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    }
    out.copy_from_slice(&all[..out.len()]);
}

#[inline(always)]
fn sparse(sums: &[i32; LANES], finish: Output, counts: &[u16], area: u16, out: &mut [i16]) {
    let Output { shift, bias } = finish;
    let rest = (i64::from(bias) << 16) + (1i64 << (u32::from(shift) + 15));
    for ((y, &sum), &count) in out.iter_mut().zip(sums).zip(counts) {
        let sum = i64::from(sum) * i64::from(reciprocal(count, area));
        let y_wide = (sum + rest) >> (u32::from(shift) + 16);
        *y = y_wide.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
    }
}

/// `area / count` in 65536ths; 0 where nothing is observed.
#[inline(always)]
fn reciprocal(count: u16, area: u16) -> u32 {
    let count = u32::from(count);
    (u32::from(area) * 65_536 + count / 2)
        .checked_div(count)
        .unwrap_or(0)
}

//! Sums of whole numbers, two products at a time.

use super::{block_of, weight_at, Filter, Job, BLOCK, LANES};
use crate::simd::{self, Pairs};
use alloc::vec;
use alloc::vec::Vec;
use codec_format::model::op::{Convolution, Numbers};

/// The numbers of a convolution: for every group blocks of outputs; within a block pair of lines, tap, output. Where lines
/// are laid as they are: for every output line, pair of taps.
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
        let outputs = shifts.iter().zip(bias);
        let outputs = outputs
            .map(|(&shift, &bias)| Output { shift, bias })
            .collect();
        let each = filter.lines * filter.taps;
        if filter.rows {
            let mut data = Vec::new();
            for weights in weights.chunks_exact(each.max(1)) {
                for line in 0..filter.lines {
                    let weight = |tap| match tap < filter.taps {
                        true => weights[weight_at(op, filter, line, tap)],
                        false => 0,
                    };
                    let taps = (0..filter.taps).step_by(2);
                    data.extend(taps.map(|tap| [weight(tap), weight(tap + 1)]));
                }
            }
            return Weights { data, outputs };
        }
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
        Weights { data, outputs }
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
        if job.filter.rows {
            depthwise::<P>(&mut job, weights);
            return;
        }
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
                    if let Some(x) = x[v * LANES..].first_chunk() {
                        for o in 0..O {
                            sums[o][v] = sums[o][v].plus(x, w[o]);
                        }
                    }
                }
            }
        }
        // Numbers apart, so that the sums themselves never leave their registers.
        let mut all = [[[0; LANES]; V]; O];
        for o in 0..O {
            for v in 0..V {
                all[o][v] = sums[o][v].numbers();
            }
        }
        let count = (V * LANES).min(job.count - from);
        for o in 0..O {
            let out = &mut job.out[(output + o) * job.width + job.bin + from..][..count];
            for (v, out) in out.chunks_mut(LANES).enumerate() {
                let sums = &all[o][v];
                match job.seen {
                    None => plain(sums, finish[o], out),
                    Some((counts, area)) => {
                        let counts = &counts[from + v * LANES..][..out.len()];
                        sparse(sums, finish[o], counts, area, out);
                    }
                }
            }
        }
    }
}

/// An output that has inputs of its own, for every bin.
#[inline(always)]
fn depthwise<P: Pairs>(job: &mut Job<'_, i16>, weights: &Weights) {
    let each = job.filter.lines * job.filter.taps.div_ceil(2);
    let data = &weights.data[job.group * each..][..each];
    let finish = weights.outputs[job.group];
    let mut from = 0;
    while from < job.count {
        from += if job.count - from > 2 * LANES && P::WIDE {
            neighbours::<P, 2>(job, data, finish, from)
        } else {
            neighbours::<P, 1>(job, data, finish, from)
        };
    }
}

/// `V` times twice [`LANES`] bins of it. Two neighbouring numbers are a pair for two taps of the bins with even numbers; one
/// further on they are one for those with odd numbers.
#[inline(always)]
fn neighbours<P: Pairs, const V: usize>(
    job: &mut Job<'_, i16>,
    weights: &[[i16; 2]],
    finish: Output,
    from: usize,
) -> usize {
    let rows: &[i16] = bytemuck::cast_slice(job.tile);
    let taps = job.filter.taps.div_ceil(2);
    let (mut even, mut odd) = ([P::ZERO; V], [P::ZERO; V]);
    let rows = rows.chunks_exact(job.pitch).take(job.filter.lines);
    for (row, weights) in rows.zip(weights.chunks_exact(taps)) {
        let row = &row[from..][..2 * taps - 1 + V * 2 * LANES];
        // Seven bins are usual.
        if let (Ok(weights), true) = (
            <&[[i16; 2]; 4]>::try_from(weights),
            row.len() >= 7 + V * 2 * LANES,
        ) {
            for tap in 0..4 {
                add(
                    &row[2 * tap..2 * tap + V * 2 * LANES + 1],
                    weights[tap],
                    &mut even,
                    &mut odd,
                );
            }
        } else {
            for (tap, &w) in weights.iter().enumerate() {
                add(
                    &row[2 * tap..2 * tap + V * 2 * LANES + 1],
                    w,
                    &mut even,
                    &mut odd,
                );
            }
        }
    }
    let count = (V * 2 * LANES).min(job.count - from);
    let out = &mut job.out[job.group * job.width + job.bin + from..][..count];
    for ((even, odd), out) in even.iter().zip(&odd).zip(out.chunks_mut(2 * LANES)) {
        let (even, odd) = (even.numbers(), odd.numbers());
        let mut all = [0; 2 * LANES];
        for l in 0..LANES {
            all[2 * l] = finish.plain(even[l]);
            all[2 * l + 1] = finish.plain(odd[l]);
        }
        store(&all, out);
    }
    V * 2 * LANES
}

/// Adds two taps to the sums of `2 V` [`LANES`] bins.
#[inline(always)]
fn add<P: Pairs, const V: usize>(x: &[i16], w: [i16; 2], even: &mut [P; V], odd: &mut [P; V]) {
    for v in 0..V {
        let x = &x[v * 2 * LANES..];
        if let (Some(here), Some(next)) = (x.first_chunk(), x[1..].first_chunk()) {
            even[v] = even[v].plus(pairs(here), w);
            odd[v] = odd[v].plus(pairs(next), w);
        }
    }
}

/// Numbers as pairs of neighbours.
#[inline(always)]
fn pairs(x: &[i16; 2 * LANES]) -> &[[i16; 2]; LANES] {
    bytemuck::cast_ref(x)
}

impl Output {
    #[inline(always)]
    fn plain(self, sum: i32) -> i16 {
        let half = (1 << self.shift) >> 1;
        // Neither addition overflows: every model is checked for it.
        let y = sum.wrapping_add(self.bias).wrapping_add(half) >> self.shift;
        y.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
    }
}

#[inline(always)]
fn plain(sums: &[i32; LANES], finish: Output, out: &mut [i16]) {
    let mut all = [0; LANES];
    for l in 0..LANES {
        all[l] = finish.plain(sums[l]);
    }
    store(&all, out);
}

/// Writes as many of these as there is room for, which is nearly always all of them.
#[inline(always)]
fn store<const N: usize>(all: &[i16; N], out: &mut [i16]) {
    match <&mut [i16; N]>::try_from(&mut *out) {
        Ok(out) => *out = *all,
        Err(_) => out.copy_from_slice(&all[..out.len()]),
    }
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

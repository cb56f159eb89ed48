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
            match (block, P::REGISTERS) {
                (BLOCK, 32..) => sum::<P, BLOCK, 4>(&mut job, here, finish, output),
                (BLOCK, 16..) => sum::<P, BLOCK, 2>(&mut job, here, finish, output),
                (BLOCK, _) => sum::<P, BLOCK, 1>(&mut job, here, finish, output),
                (_, 16..) => sum::<P, 1, 2>(&mut job, here, finish, output),
                (_, _) => sum::<P, 1, 1>(&mut job, here, finish, output),
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
    for from in (0..job.count).step_by(V * LANES) {
        if job.count - from <= LANES {
            sum_at::<P, O, 1>(job, weights, finish, output, from);
        } else {
            sum_at::<P, O, V>(job, weights, finish, output, from);
        }
    }
}

/// The same for as many bins from `from` on.
#[inline(always)]
fn sum_at<P: Pairs, const O: usize, const V: usize>(
    job: &mut Job<'_, i16>,
    weights: &[[i16; 2]],
    finish: &[Output],
    output: usize,
    from: usize,
) {
    let Filter { taps, step, .. } = *job.filter;
    let mut sums = [[P::ZERO; V]; O];
    let lines = job.tile.chunks_exact(job.pitch);
    for (line, weights) in lines.zip(weights.chunks_exact(taps * O)) {
        let line = &line[from..][..V * LANES + (taps - 1) * step];
        let inputs = line.windows(V * LANES).step_by(step);
        for (x, w) in inputs.zip(weights.chunks_exact(O)) {
            for v in 0..V {
                if let Some(x) = x[v * LANES..].first_chunk() {
                    for o in 0..O {
                        sums[o][v] = sums[o][v].plus(x, w[o]);
                    }
                }
            }
        }
    }
    let count = (V * LANES).min(job.count - from);
    let mut finished = [[[0; LANES]; V]; O];
    // Numbers apart, so that the sums themselves never leave their registers.
    match job.seen {
        None => {
            for o in 0..O {
                for v in 0..V {
                    finished[o][v] = sums[o][v].scaled(finish[o].add(), finish[o].shift);
                }
            }
        }
        Some((counts, area)) => {
            let mut all = [[[0; LANES]; V]; O];
            for o in 0..O {
                for v in 0..V {
                    all[o][v] = sums[o][v].numbers();
                }
            }
            let counts = &counts[from..][..count];
            for (v, counts) in counts.chunks(LANES).enumerate() {
                let mut factors = [0; LANES];
                for (factor, &count) in factors.iter_mut().zip(counts) {
                    *factor = reciprocal(count, area);
                }
                for o in 0..O {
                    finished[o][v] = sparse(&all[o][v], finish[o], &factors);
                }
            }
        }
    }
    for (o, finished) in finished.iter().enumerate() {
        let out = &mut job.out[(output + o) * job.apart + job.bin + from..][..count];
        store::<LANES>(finished.as_flattened(), out);
    }
}

/// An output that has inputs of its own, for every bin.
#[inline(always)]
fn depthwise<P: Pairs>(job: &mut Job<'_, i16>, weights: &Weights) {
    let each = job.filter.lines * job.filter.taps.div_ceil(2);
    let data = &weights.data[job.group * each..][..each];
    let finish = weights.outputs[job.group];
    // Seven bins are usual.
    let usual = job.filter.taps.div_ceil(2) == SEVEN;
    let mut from = 0;
    while from < job.count {
        let left = job.count - from;
        from += if !usual {
            neighbours::<P>(job, data, finish, from)
        } else if P::REGISTERS >= 16 && left > 2 * LANES {
            seven::<P, 2, { 4 * LANES + 7 }>(job, data, finish, from)
        } else {
            seven::<P, 1, { 2 * LANES + 7 }>(job, data, finish, from)
        };
    }
}

/// Pairs of taps of a kernel of seven bins.
const SEVEN: usize = 4;

/// `V` times twice [`LANES`] bins of a depthwise convolution over seven bins, which reads `N` of a row. Two neighbouring
/// numbers are a pair for two taps of the bins with even numbers; one further on they are one for those with odd numbers.
#[inline(always)]
fn seven<P: Pairs, const V: usize, const N: usize>(
    job: &mut Job<'_, i16>,
    weights: &[[i16; 2]],
    finish: Output,
    from: usize,
) -> usize {
    let (mut even, mut odd) = ([P::ZERO; V], [P::ZERO; V]);
    for (row, weights) in job.rows.iter().zip(weights.chunks_exact(SEVEN)) {
        let Some(row) = row.get(from..).and_then(|row| row.first_chunk::<N>()) else {
            continue;
        };
        for (tap, &w) in weights.iter().enumerate() {
            for v in 0..V {
                let at = 2 * tap + v * 2 * LANES;
                if let (Some(here), Some(next)) =
                    (row[at..].first_chunk(), row[at + 1..].first_chunk())
                {
                    even[v] = even[v].plus(pairs(here), w);
                    odd[v] = odd[v].plus(pairs(next), w);
                }
            }
        }
    }
    finish_neighbours(job, from, &even, &odd, finish)
}

/// Twice [`LANES`] bins of any depthwise convolution.
#[inline(always)]
fn neighbours<P: Pairs>(
    job: &mut Job<'_, i16>,
    weights: &[[i16; 2]],
    finish: Output,
    from: usize,
) -> usize {
    let taps = job.filter.taps.div_ceil(2);
    let (mut even, mut odd) = (P::ZERO, P::ZERO);
    for (row, weights) in job.rows.iter().zip(weights.chunks_exact(taps)) {
        for (tap, &w) in weights.iter().enumerate() {
            let x = &row[from + 2 * tap..][..2 * LANES + 1];
            if let (Some(here), Some(next)) = (x.first_chunk(), x[1..].first_chunk()) {
                even = even.plus(pairs(here), w);
                odd = odd.plus(pairs(next), w);
            }
        }
    }
    finish_neighbours(job, from, &[even], &[odd], finish)
}

/// Writes the sums of a depthwise convolution; gives how many there are.
#[inline(always)]
fn finish_neighbours<P: Pairs, const V: usize>(
    job: &mut Job<'_, i16>,
    from: usize,
    even: &[P; V],
    odd: &[P; V],
    finish: Output,
) -> usize {
    let count = (V * 2 * LANES).min(job.count - from);
    let out = &mut job.out[job.group * job.apart + job.bin + from..][..count];
    for ((even, &odd), out) in even.iter().zip(odd).zip(out.chunks_mut(2 * LANES)) {
        let all = even.interleaved(odd, finish.add(), finish.shift);
        store::<{ 2 * LANES }>(&all, out);
    }
    V * 2 * LANES
}

/// Numbers as pairs of neighbours.
#[inline(always)]
fn pairs(x: &[i16; 2 * LANES]) -> &[[i16; 2]; LANES] {
    bytemuck::cast_ref(x)
}

impl Output {
    /// What is added to a sum before it is shifted.
    #[inline(always)]
    fn add(self) -> i32 {
        // Neither this addition nor that to the sum overflows: every model is checked for it.
        self.bias.wrapping_add((1 << self.shift) >> 1)
    }
}

/// Writes as many of these as there is room for, `N` at a time but for the last.
#[inline(always)]
fn store<const N: usize>(all: &[i16], out: &mut [i16]) {
    for (all, out) in all.chunks_exact(N).zip(out.chunks_mut(N)) {
        match <&mut [i16; N]>::try_from(&mut *out) {
            Ok(out) => out.copy_from_slice(all),
            Err(_) => out.copy_from_slice(&all[..out.len()]),
        }
    }
}

/// What sums become of which only a share is observed.
#[inline(always)]
fn sparse(sums: &[i32; LANES], finish: Output, factors: &[u32; LANES]) -> [i16; LANES] {
    let Output { shift, bias } = finish;
    let rest = (i64::from(bias) << 16) + (1i64 << (u32::from(shift) + 15));
    let mut out = [0; LANES];
    for l in 0..LANES {
        let sum = i64::from(sums[l]) * i64::from(factors[l]);
        let y = (sum + rest) >> (u32::from(shift) + 16);
        out[l] = y.clamp(i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
    }
    out
}

/// `area / count` in 65536ths; 0 where nothing is observed.
#[inline(always)]
fn reciprocal(count: u16, area: u16) -> u32 {
    let count = u32::from(count);
    (u32::from(area) * 65_536 + count / 2)
        .checked_div(count)
        .unwrap_or(0)
}

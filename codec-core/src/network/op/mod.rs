//! The operations at work: each writes a frame of its output (Spec §8.4 to §8.9).

pub(super) mod convolution;

use super::number::Number;
use super::plan::Step;
use super::tensors::{Kept, Reader, View};
use crate::simd::{self, Kernel};
use codec_format::model::graph::Extent;
use codec_format::model::op::{Activation, Op, Pool, PoolKind};

/// A frame that is being written.
pub(super) struct Writing<'a, N> {
    /// A row for each channel, with zeros around it.
    pub numbers: &'a mut [N],
    /// Which pixels are observed; none where all are.
    pub marks: &'a mut [u8],
    /// Bins of a row, where they begin, and how far rows are apart.
    pub width: usize,
    pub margin: usize,
    pub pitch: usize,
}

impl<N: Number> Writing<'_, N> {
    /// The rows, each with its channel.
    pub fn rows(&mut self) -> impl Iterator<Item = (usize, &mut [N])> {
        let bins = self.margin..self.margin + self.width;
        // A frame that is written has bins.
        let rows = self.numbers.chunks_exact_mut(self.pitch.max(1));
        rows.map(move |row| &mut row[bins.clone()]).enumerate()
    }

    /// Makes sure that there are zeros around every row.
    pub fn clear_margins(&mut self) {
        let end = self.margin + self.width;
        if self.pitch > self.width {
            for row in self.numbers.chunks_exact_mut(self.pitch) {
                row[..self.margin].fill(N::zeroed());
                row[end..].fill(N::zeroed());
            }
        }
    }
}

/// Writes a frame of any operation but a convolution.
pub(super) fn run<N: Number>(
    step: &Step,
    kept: &Kept<'_, N>,
    frame: u64,
    out: &mut Writing<'_, N>,
) {
    match &step.op {
        Op::Convolution(_) => {}
        Op::Activation(op) => {
            if let Some(input) = step.inputs.first() {
                repeat(Extent::ONE, kept, input, frame, out);
            }
            activate(op, out);
        }
        Op::Combine(_) => {
            let mut terms = &step.inputs[..];
            if let (false, Some((first, rest))) = (step.in_place(), terms.split_first()) {
                repeat(Extent::ONE, kept, first, frame, out);
                terms = rest;
            }
            add(kept, terms, frame, out);
        }
        Op::Pool(op) => pool(op, kept, &step.inputs[0], frame, out),
        Op::Upsample(op) => repeat(op.factor, kept, &step.inputs[0], frame, out),
        Op::Shuffle(op) => shuffle(op.factor, kept, &step.inputs[0], frame, out),
    }
}

fn activate<N: Number>(op: &Activation, out: &mut Writing<'_, N>) {
    let slopes = N::slopes(op);
    for (channel, row) in out.rows() {
        let slope = slopes.get(channel).copied();
        simd::run(Slope { row, slope });
    }
}

/// What is negative, by a slope; zero without one.
struct Slope<'a, N> {
    row: &'a mut [N],
    slope: Option<N>,
}

impl<N: Number> Kernel for Slope<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        let positive = |x: N| x > N::zeroed();
        for x in self.row {
            let other = self.slope.map_or(N::zeroed(), |slope| x.sloped(slope));
            *x = if positive(*x) { *x } else { other };
        }
    }
}

/// A row more.
struct Plus<'a, N> {
    row: &'a mut [N],
    term: &'a [N],
}

impl<N: Number> Kernel for Plus<'_, N> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        for (y, &x) in self.row.iter_mut().zip(self.term) {
            *y = y.plus(x);
        }
    }
}

/// Adds the terms to what is there.
fn add<N: Number>(kept: &Kept<'_, N>, terms: &[View], frame: u64, out: &mut Writing<'_, N>) {
    let mut reader = Reader::default();
    for (channel, row) in out.rows() {
        if let [only] = terms {
            let term = reader.row(kept, only.channels[channel], frame);
            simd::run(Plus { row, term });
            continue;
        }
        for (bin, y) in row.iter_mut().enumerate() {
            let mut sum = y.widen();
            for term in terms {
                sum += kept.row(term.channels[channel], frame)[bin].widen();
            }
            *y = N::narrow(sum);
        }
    }
    if !out.marks.is_empty() {
        for term in terms {
            kept.unite(term, frame, out.marks);
        }
    }
}

/// Repeats every pixel; by one it is copied.
fn repeat<N: Number>(
    factor: Extent,
    kept: &Kept<'_, N>,
    input: &View,
    frame: u64,
    out: &mut Writing<'_, N>,
) {
    let from = frame / u64::from(factor.frames);
    let step = usize::from(factor.bins);
    let mut reader = Reader::default();
    for (channel, row) in out.rows() {
        let x = reader.row(kept, input.channels[channel], from);
        if step == 1 {
            row.copy_from_slice(x);
        } else {
            for (pixels, &x) in row.chunks_mut(step).zip(x) {
                pixels.fill(x);
            }
        }
    }
    spread(factor, kept, input, frame, out);
}

fn shuffle<N: Number>(
    factor: Extent,
    kept: &Kept<'_, N>,
    input: &View,
    frame: u64,
    out: &mut Writing<'_, N>,
) {
    let (step, pace) = (usize::from(factor.bins), usize::from(factor.frames));
    let from = frame / u64::from(factor.frames);
    let part = (frame % u64::from(factor.frames)) as usize;
    for (channel, row) in out.rows() {
        for b in 0..step {
            let x = kept.row(input.channels[(channel * step + b) * pace + part], from);
            if step == 1 {
                row.copy_from_slice(x);
                continue;
            }
            let pixels = row.iter_mut().skip(b).step_by(step);
            pixels.zip(x).for_each(|(y, &x)| *y = x);
        }
    }
    spread(factor, kept, input, frame, out);
}

/// Which pixels of a frame on a grid finer by `factor` are observed: those whose pixel of the input is.
fn spread<N: Number>(
    factor: Extent,
    kept: &Kept<'_, N>,
    input: &View,
    frame: u64,
    out: &mut Writing<'_, N>,
) {
    let step = usize::from(factor.bins);
    out.marks.fill(0);
    for &slot in &input.slots {
        if out.marks.is_empty() {
            return;
        }
        match kept.marks(slot, frame / u64::from(factor.frames)) {
            None => out.marks.fill(1),
            Some(marks) => {
                for (pixels, &mark) in out.marks.chunks_mut(step).zip(marks) {
                    pixels.iter_mut().for_each(|o| *o |= mark);
                }
            }
        }
    }
}

fn pool<N: Number>(
    op: &Pool,
    kept: &Kept<'_, N>,
    input: &View,
    frame: u64,
    out: &mut Writing<'_, N>,
) {
    let (step, pace) = (usize::from(op.factor.bins), u64::from(op.factor.frames));
    let Some(&slot) = input.slots.first() else {
        return;
    };
    let (all, width) = (kept.points(slot), kept.width(slot));
    let frames = frame * pace..((frame + 1) * pace).min(all);
    let bins = |bin: usize| bin * step..((bin + 1) * step).min(width);
    let seen = |frame: u64, bin: usize| {
        let mut slots = input.slots.iter();
        !input.sparse || slots.any(|&slot| kept.marks(slot, frame).is_none_or(|m| m[bin] != 0))
    };
    for (channel, row) in out.rows() {
        for (bin, y) in row.iter_mut().enumerate() {
            let mut found: Option<(N, N::Wide)> = None;
            let mut count = 0;
            for frame in frames.clone() {
                let x = kept.row(input.channels[channel], frame);
                for bin in bins(bin).filter(|&bin| seen(frame, bin)) {
                    let x = x[bin];
                    found = Some(match found {
                        None => (x, x.widen()),
                        Some((most, mut sum)) => {
                            sum += x.widen();
                            (if x > most { x } else { most }, sum)
                        }
                    });
                    count += 1;
                }
            }
            *y = match (found, op.kind) {
                (None, _) => N::zeroed(),
                (Some((_, sum)), PoolKind::Mean) => N::mean(sum, count),
                (Some((most, _)), PoolKind::Max) => most,
            };
        }
    }
    for (bin, mark) in out.marks.iter_mut().enumerate() {
        let any = (frames.clone()).any(|frame| bins(bin).any(|bin| seen(frame, bin)));
        *mark = u8::from(any);
    }
}

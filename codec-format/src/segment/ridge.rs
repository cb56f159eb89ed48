//! The ridge layer: thresholds, positions and values, frame by frame (Spec §6.3.1, §6.3.2).

use super::number::code_number;
use super::past::{feature, Known, Past};
use crate::entropy::bank::Bank;
use crate::entropy::layout::{MASK, THRESHOLD, VALUE};
use crate::entropy::range::{BitCoder, Layer};
use crate::error::Result;
use crate::memory::Memory;

/// Zeros on either side of a frame, so that neighbours need no bounds checks.
pub(super) const PAD: usize = 16;

/// The first frame has no threshold to start from: about the middle of speech at steps of 2 dB.
const FIRST_THRESHOLD: i32 = 20;

/// Where the ridges of the frame being coded lie so far.
#[derive(Debug, Default, Clone, Copy)]
struct Peaks {
    /// Bin of the largest value of the run of kept pixels begun last, and of the one before it.
    last: usize,
    before: usize,
    /// Value + 1 at `last`.
    height: u16,
    /// By how many bins the last ridge lies above its like in the frame before.
    shift: i32,
}

impl Peaks {
    /// Bins between the last two ridges, at most 15.
    #[inline]
    fn spacing(&self) -> usize {
        (self.last - self.before).min(15)
    }

    /// Takes note of a kept pixel of bin `k`, whose run it begins if `fresh`.
    fn note(&mut self, k: usize, kept: u16, fresh: bool, kept_before: &[u16]) {
        if fresh {
            self.before = self.last;
            self.height = 0;
        }
        if kept > self.height {
            self.height = kept;
            self.last = k;
            self.shift = 0;
            let mut best = 0;
            for shift in [0, 1, -1, 2, -2] {
                let other = kept_before[((k + PAD) as i32 - shift) as usize];
                if other > best {
                    best = other;
                    self.shift = shift;
                }
            }
        }
    }
}

/// The coder of one channel's ridge layer within a segment.
#[derive(Debug)]
pub(crate) struct Ridge<M: Memory> {
    bins: usize,
    /// Numbers of a row, with its padding.
    stride: usize,
    /// Bins below are another layer's.
    first: usize,
    threshold_step: i32,
    step: i32,
    /// Of the frame being coded and the two before, one row after the other: value + 1 of kept pixels, else 0.
    kept: M::Of<u16>,
    /// Likewise the level above the origin in 1/8 dB: of kept pixels the decoded one, else the background's, but no more
    /// than the threshold.
    level: M::Of<i32>,
    past: Past<M>,
    /// Threshold index of each.
    thresholds: [i32; 3],
    /// Frames coded.
    frame: usize,
}

/// Sixteen classes of a level difference in 1/8 dB (Spec §6.3.2): by how many edges it does not lie below.
#[inline]
pub(super) fn class(x: i32) -> usize {
    usize::from(CLASSES[(x - LEAST).clamp(0, CLASSES.len() as i32 - 1) as usize])
}

/// One below the first edge, whose class is 0.
const LEAST: i32 = -129;

/// The class of every difference from [`LEAST`] to the last edge.
static CLASSES: [u8; 306] = {
    const EDGES: [i32; 15] = [
        -128, -96, -72, -48, -32, -16, -4, 8, 20, 32, 48, 72, 96, 128, 176,
    ];
    let mut classes = [0; 306];
    let (mut n, mut class) = (0, 0);
    while n < classes.len() {
        while class < EDGES.len() && n as i32 + LEAST >= EDGES[class] {
            class += 1;
        }
        classes[n] = class as u8;
        n += 1;
    }
    classes
};

/// Numbers side by side, the first lowest; each comes with its width in bits.
fn pack<const N: usize>(parts: [(usize, u32); N]) -> usize {
    parts
        .iter()
        .rev()
        .fold(0, |packed, &(value, width)| packed << width | value)
}

/// `N` numbers one after the other.
#[inline]
fn run<T: Copy, const N: usize>(numbers: &[T], first: usize) -> [T; N] {
    let numbers = &numbers[first..first + N];
    core::array::from_fn(|n| numbers[n])
}

fn flag(kept: u16) -> usize {
    usize::from(kept != 0)
}

/// `x` if there is something to it.
fn known(there: usize, x: i32) -> Option<i32> {
    (there != 0).then_some(x)
}

impl<M: Memory> Ridge<M> {
    pub(crate) fn new(
        bins: usize,
        first: usize,
        threshold_step: u8,
        step: u8,
        memory: &mut M,
    ) -> Result<Self> {
        let stride = bins + 2 * PAD;
        Ok(Ridge {
            bins,
            stride,
            first,
            threshold_step: i32::from(threshold_step),
            step: i32::from(step),
            kept: memory.take(3 * stride)?,
            level: memory.take(3 * stride)?,
            past: Past::new(bins, memory)?,
            thresholds: [0; 3],
            frame: 0,
        })
    }

    /// Begins a segment.
    pub(crate) fn begin(&mut self) {
        (self.thresholds, self.frame) = ([0; 3], 0);
        self.kept.fill(0);
        self.level.fill(0);
    }

    /// The threshold coded last, in 1/8 dB above the origin.
    pub(crate) fn floor(&self) -> i32 {
        self.thresholds[0] * self.threshold_step
    }

    /// Levels of the frame coded last, one a bin, in 1/8 dB above the origin.
    pub(crate) fn levels(&self) -> &[i32] {
        &self.level[PAD..PAD + self.bins]
    }

    /// Codes the threshold index of the next frame; a decoder may return more than 255 on a stream no
    /// encoder writes.
    pub(crate) fn code_threshold<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        index: u8,
    ) -> u32 {
        coder.enter(Layer::Thresholds);
        self.thresholds = [0, self.thresholds[0], self.thresholds[1]];
        let [_, before, older] = self.thresholds;
        let contexts = match self.frame {
            0 => [15, 15, 15],
            1 => [31, 31, 31],
            _ => [
                ((before - older).clamp(-7, 7) + 7) as usize,
                16,
                32 + before.min(31) as usize,
            ],
        };
        let estimates = [Some(16 * before), Some(16 * (2 * before - older))];
        let guess = if self.frame == 0 {
            FIRST_THRESHOLD
        } else {
            before
        };
        let value = u32::from(index);
        let value = code_number(
            bank,
            coder,
            &THRESHOLD,
            &contexts,
            &estimates,
            [0, 0],
            guess,
            value,
        );
        self.thresholds[0] = value as i32;
        value
    }

    /// Codes the positions and values of the next frame. `row` holds value + 1 of kept pixels, else 0;
    /// `background` the lattice's level above the origin at every bin, in 1/8 dB. A decoder may leave
    /// values beyond 256 in `row` on a stream no encoder writes.
    pub(crate) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        row: &mut [u16],
        background: &[i32],
        zones: &[u8],
    ) {
        let floor = self.floor();
        let first = self.frame == 0;
        let stride = self.stride;
        self.kept.copy_within(..2 * stride, stride);
        self.level.copy_within(..2 * stride, stride);
        self.kept[..stride].fill(0);
        self.level[..stride].fill(0);
        if first {
            for before in self.level[stride..].chunks_exact_mut(stride) {
                before[PAD..PAD + self.bins].copy_from_slice(background);
            }
        }
        let change = (self.thresholds[0] - self.thresholds[1]).clamp(-3, 3) + 3;
        let change = if first { 7 } else { change as usize };
        let (before, older) = (stride..2 * stride, 2 * stride..3 * stride);
        self.past.look(Known {
            kept: [&self.kept[before.clone()], &self.kept[older.clone()]],
            level: [&self.level[before.clone()], &self.level[older]],
            background,
            zones,
            floor,
            change,
        });
        let mut peaks = Peaks::default();
        for (level, &ground) in self.level[PAD..].iter_mut().zip(&background[..self.first]) {
            *level = ground.min(floor);
        }
        for k in self.first..self.bins {
            let mut kept = row[k];
            coder.enter(Layer::Mask);
            if self.code_mask(bank, coder, kept != 0, k, floor, &peaks) {
                kept = self.code_value(bank, coder, kept, k, background[k] - floor, &peaks);
            } else {
                kept = 0;
            }
            row[k] = kept;
            let i = k + PAD;
            self.kept[i] = kept;
            self.level[i] = if kept == 0 {
                background[k].min(floor)
            } else {
                floor + (i32::from(kept) - 1) * self.step + self.step / 2
            };
            if kept != 0 {
                let fresh = self.kept[i - 1] == 0;
                peaks.note(k, kept, fresh, &self.kept[before.clone()]);
            }
        }
        self.frame += 1;
    }

    /// Codes whether bin `k` is kept.
    #[inline]
    fn code_mask<C: BitCoder>(
        &self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        keep: bool,
        k: usize,
        floor: i32,
        peaks: &Peaks,
    ) -> bool {
        let (i, past) = (k + PAD, &self.past);
        let place = usize::from(past.places[k]);
        let first = usize::from(self.frame == 0);
        // a, b, c: below in this frame; l, u, d: the frame before, here, above and below; ll: two before.
        let [c, b, a] = run(&self.kept, i - 3).map(flag);
        let [l, u, d, ll] = [5, 6, 7, 8].map(|bit| place >> bit & 1);
        let [xb, xa] = run(&self.level, i - 2).map(|level| level - floor);
        let [xd, xl, xu] = run(&self.level, self.stride + i - 1).map(|level| level - floor);
        let xll = self.level[2 * self.stride + i] - floor;
        // The same place of the ridge pattern in the frame before, and one ridge further down.
        let aligned = (i as i32 - peaks.shift) as usize;
        let off = (k - peaks.last).min(15);
        let spacing = peaks.spacing();
        let harmonic = if spacing > 1 {
            self.level[i - spacing] - floor
        } else {
            0
        };
        // Estimates of the level above the threshold.
        let plane = xa + xl - xd;
        let blend = (6 * xa + 4 * xl + 3 * xu + 2 * xd + xll) / 16;
        let fine = ((blend + 160) / 8).clamp(0, 63) as usize;
        let half = |halves: &[u8], i: usize| usize::from(halves[i]);
        let (ground, below) = (half(&past.grounds, k), class(xa) / 2);
        let ab = a << 7 | b << 9;
        let contexts = [
            place | a << 4 | b << 9,
            half(&past.halves, i) | below << 3 | (place & 0x1c0) | b << 9,
            class(plane) | ground << 4 | l << 8 | ab,
            off | spacing << 4 | a << 8 | l << 9 | (u | d) << 10,
            usize::from(past.times[k]) | a << 10,
            fine | ground << 6 | a << 9 | b << 10,
            half(&past.fars, k)
                | half(&past.halves, aligned) << 4
                | l << 8
                | c << 9
                | a << 7
                | b << 10,
        ];
        let [before_dd, before_d, before_l, before_u, before_uu] = run(&past.before, i - 2);
        let features = [
            256,
            before_l,
            feature(xa),
            before_u,
            before_d,
            past.older[k],
            past.ground[k],
            past.before[aligned],
            feature(harmonic),
            before_uu,
            before_dd,
            feature(xb),
        ];
        let sets = [
            a | l << 1 | u << 2 | d << 3 | ll << 4 | first << 5,
            (place & 15) | a << 4 | b << 5,
            off | (spacing / 2) << 4,
        ];
        bank.code(coder, &MASK, &contexts, &features, sets, u32::from(keep)) != 0
    }

    /// Codes the value of bin `k`, which is kept: returns value + 1. `ground` is the background above the threshold in
    /// 1/8 dB.
    fn code_value<C: BitCoder>(
        &self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        pixel: u16,
        k: usize,
        ground: i32,
        peaks: &Peaks,
    ) -> u16 {
        let (i, floor, step) = (k + PAD, self.floor(), self.step);
        let row = |n: usize| n * self.stride..(n + 1) * self.stride;
        let [kept, kept_before, kept_older] = [0, 1, 2].map(|n| &self.kept[row(n)]);
        let [level, before, older] = [0, 1, 2].map(|n| &self.level[row(n)]);
        // Neighbours as above.
        let [a, b] = [1, 2].map(|n| flag(kept[i - n]));
        let [d, l, u] = [i - 1, i, i + 1].map(|i| flag(kept_before[i]));
        let ll = flag(kept_older[i]);
        let [xa, xb] = [1, 2].map(|n| level[i - n] - floor);
        let [xd, xl, xu] = [i - 1, i, i + 1].map(|i| before[i] - floor);
        let xll = older[i] - floor;
        let aligned_at = (i as i32 - peaks.shift) as usize;
        let aligned = before[aligned_at] - floor;
        let on_ridge = flag(kept_before[aligned_at]);
        let off = (k - peaks.last).min(15);
        let time = (2 * xl + xu + xd) / 4;
        let plane = xa + xl - xd;
        coder.enter(Layer::Values);
        // Weights and estimates of the value, from neighbours that are kept.
        let votes = [
            (2 * l, xl),
            (2 * a, xa),
            (u, xu),
            (d, xd),
            (2 * (a & l & d), plane),
            (a & b, 2 * xa - xb),
        ];
        let weight: i32 = votes.iter().map(|&(n, _)| n as i32).sum();
        let sum: i32 = votes.iter().map(|&(n, x)| n as i32 * (x - step / 2)).sum();
        let mean = if weight > 0 {
            (sum + weight * step / 2).div_euclid(weight * step)
        } else {
            0
        };
        let guess = mean.clamp(0, 20);
        // An estimate less the guess, in 1/4 and 1/2 of a step.
        let past_guess = |x: i32| x - step / 2 - guess * step;
        let quarters = |x: i32| ((past_guess(x) * 4).div_euclid(step) + 7).clamp(0, 14) as usize;
        let halves = |x: i32| ((past_guess(x) * 2).div_euclid(step) + 4).clamp(0, 7) as usize;
        let contexts = [
            pack([
                (a, 1),
                (l, 1),
                (u, 1),
                (d, 1),
                (b, 1),
                (guess.min(3) as usize, 2),
            ]),
            pack([(off.min(7), 3), (halves(aligned), 3), (on_ridge, 1)]),
            pack([(quarters(plane), 4), (halves(time) / 2, 2), (a, 1)]),
        ];
        let value = |x: i32| (x - step / 2) * 16 / step;
        let estimates = [
            Some(16 * guess + 24),
            known(a, value(xa)),
            known(l, value(xl)),
            known(u, value(xu)),
            known(d, value(xd)),
            known(a & (l | d), value(plane)),
            known(on_ridge, value(aligned)),
            known(b, value(xb)),
            known(ll, value(xll)),
        ];
        let sets = [pack([(a, 1), (l, 1), (u, 1), (d, 1)]), class(ground)];
        let index = u32::from(pixel.wrapping_sub(1));
        let index = code_number(
            bank, coder, &VALUE, &contexts, &estimates, sets, guess, index,
        );
        index as u16 + 1
    }
}

//! The ridge layer: thresholds, positions and values, frame by frame (Spec §6.3.1, §6.3.2).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::{MASK, THRESHOLD, VALUE};
use crate::entropy::range::{BitCoder, Layer};
use crate::error::Result;
use crate::memory::Memory;

/// Zeros on either side of a frame, so that neighbours need no bounds checks.
const PAD: usize = 16;

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
    /// Threshold index of each.
    thresholds: [i32; 3],
    /// Frames coded.
    frame: usize,
}

/// Sixteen classes of a level difference in 1/8 dB (Spec §6.3.2).
fn class(x: i32) -> usize {
    const EDGES: [i32; 15] = [
        -128, -96, -72, -48, -32, -16, -4, 8, 20, 32, 48, 72, 96, 128, 176,
    ];
    EDGES.iter().filter(|&&edge| x >= edge).count()
}

/// Numbers side by side, the first lowest; each comes with its width in bits.
fn pack<const N: usize>(parts: [(usize, u32); N]) -> usize {
    parts
        .iter()
        .rev()
        .fold(0, |packed, &(value, width)| packed << width | value)
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
        let mut peaks = Peaks::default();
        for (level, &ground) in self.level[PAD..].iter_mut().zip(&background[..self.first]) {
            *level = ground.min(floor);
        }
        for k in self.first..self.bins {
            let ground = background[k] - floor;
            let zone = usize::from(zones[k]);
            let kept = self.code_pixel(bank, coder, row[k], k, zone, ground, change, &peaks);
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
                peaks.note(k, kept, fresh, &self.kept[stride..2 * stride]);
            }
        }
        self.frame += 1;
    }

    /// Codes bin `k`: value + 1 if it is kept, else 0. `ground` is the background above the
    /// threshold in 1/8 dB, `change` the class of the threshold's change.
    #[allow(clippy::too_many_arguments)]
    #[inline]
    fn code_pixel<C: BitCoder>(
        &self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        pixel: u16,
        k: usize,
        zone: usize,
        ground: i32,
        change: usize,
        peaks: &Peaks,
    ) -> u16 {
        let stride = self.stride;
        let (current, before) = (&self.kept[..stride], &self.kept[stride..2 * stride]);
        let older = &self.kept[2 * stride..];
        let level = &self.level;
        let (i, floor, step) = (k + PAD, self.floor(), self.step);
        let first = usize::from(self.frame == 0);
        // a, b, c: below in this frame; l, u, d: the frame before, here, above and below; ll: two before.
        let (a, b, c) = (
            flag(current[i - 1]),
            flag(current[i - 2]),
            flag(current[i - 3]),
        );
        let (l, u, d) = (flag(before[i]), flag(before[i + 1]), flag(before[i - 1]));
        let ll = flag(older[i]);
        let (xa, xb) = (level[i - 1] - floor, level[i - 2] - floor);
        let past = |offset: i32| level[stride + (i as i32 + offset) as usize] - floor;
        let (xl, xu, xd) = (past(0), past(1), past(-1));
        let old = |offset: i32| level[2 * stride + (i as i32 + offset) as usize] - floor;
        let xll = old(0);
        // The same place of the ridge pattern in the frame before, and one ridge further down.
        let aligned_at = (i as i32 - peaks.shift) as usize;
        let aligned = level[stride + aligned_at] - floor;
        let on_ridge = flag(before[aligned_at]);
        let off = (k - peaks.last).min(15);
        let spacing = (peaks.last - peaks.before).min(15);
        let harmonic = if spacing > 1 {
            level[i - spacing] - floor
        } else {
            0
        };
        // Estimates of the level above the threshold.
        let time = (2 * xl + xu + xd) / 4;
        let plane = xa + xl - xd;
        let blend = (6 * xa + 4 * xl + 3 * xu + 2 * xd + xll) / 16;
        let far = (2 * xl + xu + xd + 2 * xll + old(1) + old(-1)) / 8;
        let fine = ((blend + 160) / 8).clamp(0, 63) as usize;

        coder.enter(Layer::Mask);
        let contexts = [
            pack([(zone, 4), (a, 1), (l, 1), (u, 1), (d, 1), (ll, 1), (b, 1)]),
            pack([
                (class(xl) / 2, 3),
                (class(xa) / 2, 3),
                (u, 1),
                (d, 1),
                (ll, 1),
                (b, 1),
            ]),
            pack([
                (class(plane), 4),
                (class(ground) / 2, 3),
                (a, 1),
                (l, 1),
                (b, 1),
            ]),
            pack([(off, 4), (spacing, 4), (a, 1), (l, 1), (u | d, 1)]),
            pack([
                (class(time), 4),
                (class(ground) / 2, 3),
                (change, 3),
                (a, 1),
            ]),
            pack([(fine, 6), (class(ground) / 2, 3), (a, 1), (b, 1)]),
            pack([
                (class(far), 4),
                (class(aligned) / 2, 3),
                (a, 1),
                (l, 1),
                (c, 1),
                (b, 1),
            ]),
        ];
        let feature = |x: i32| (x * 4).clamp(-1023, 1023);
        let features = [
            256,
            feature(xl),
            feature(xa),
            feature(xu),
            feature(xd),
            feature(xll),
            feature(ground),
            feature(aligned),
            feature(harmonic),
            feature(past(2)),
            feature(past(-2)),
            feature(xb),
        ];
        let sets = [
            pack([(a, 1), (l, 1), (u, 1), (d, 1), (ll, 1), (first, 1)]),
            pack([(zone, 4), (a, 1), (b, 1)]),
            pack([(off, 4), (spacing / 2, 3)]),
        ];
        let keep = u32::from(pixel != 0);
        if bank.code(coder, &MASK, &contexts, &features, sets, keep) == 0 {
            return 0;
        }

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

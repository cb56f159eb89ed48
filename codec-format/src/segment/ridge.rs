//! The ridge layer: thresholds, positions and values, frame by frame (Spec §6.3.1, §6.3.2).

use super::class::{class, feature};
use super::mask::{code_mask, Below, Peaks, Seen};
use super::number::code_number;
use super::past::{Known, Past};
use crate::entropy::bank::Bank;
use crate::entropy::layout::{THRESHOLD, VALUE};
use crate::entropy::range::{BitCoder, Layer};
use crate::error::Result;
use crate::memory::Memory;

/// Zeros on either side of a frame, so that neighbours need no bounds checks.
pub(super) const PAD: usize = 16;

/// The first frame has no threshold to start from: about the middle of speech at steps of 2 dB.
const FIRST_THRESHOLD: i32 = 20;

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
    /// Of the latest frame and the one before, one row after the other: value + 1 of kept pixels, else 0.
    kept: M::Of<u16>,
    /// Likewise the level above the origin in 1/8 dB: of kept pixels the decoded one, else the background's, but no more
    /// than the threshold.
    level: M::Of<i32>,
    past: Past<M>,
    /// Measurements of the frame being coded: a bin that has yet to come has that of one not kept.
    here: M::Of<i16>,
    /// Threshold index of each.
    thresholds: [i32; 3],
    /// Frames coded.
    frame: usize,
}

/// Numbers side by side, the first lowest; each comes with its width in bits.
fn pack<const N: usize>(parts: [(usize, u32); N]) -> usize {
    parts
        .iter()
        .rev()
        .fold(0, |packed, &(value, width)| packed << width | value)
}

/// The level of a pixel with this value + 1 above the threshold, 1/8 dB.
fn level_of(kept: u16, step: i32) -> i32 {
    (i32::from(kept) - 1) * step + step / 2
}

/// `N` numbers one after the other.
#[inline]
pub(super) fn run<T: Copy, const N: usize>(numbers: &[T], first: usize) -> [T; N] {
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
            kept: memory.take(2 * stride)?,
            level: memory.take(2 * stride)?,
            past: Past::new(bins, memory)?,
            here: memory.take(stride)?,
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
        let (floor, stride) = (self.floor(), self.stride);
        let (before, older) = (0..stride, stride..2 * stride);
        let bins = PAD..PAD + self.bins;
        if self.frame == 0 {
            for before in self.level.chunks_exact_mut(stride) {
                before[bins.clone()].copy_from_slice(background);
            }
        }
        let change = self.thresholds[0] - self.thresholds[1];
        self.past.look(Known {
            kept: [&self.kept[before.clone()], &self.kept[older.clone()]],
            level: [&self.level[before.clone()], &self.level[older]],
            background,
            zones,
            floor,
            change: (self.frame > 0).then_some(change.clamp(-3, 3)),
        });
        self.here[..PAD].fill(feature(-floor));
        for (here, &ground) in self.here[PAD..].iter_mut().zip(self.past.ground.iter()) {
            *here = ground.min(0);
        }
        let first = self.first;
        let under = |n: usize| match first.checked_sub(n) {
            Some(k) => background[k].min(floor) - floor,
            None => -floor,
        };
        let (mut below, mut peaks) = (Below::new([1, 2].map(under)), Peaks::default());
        let past = &self.past;
        let seen = past.contexts[first..].iter().zip(&past.trends[first..]);
        let features = past.older[first..].iter().zip(&past.ground[first..]);
        let pixels = row[first..].iter_mut().zip(&background[first..]);
        let windows = past.before[first + PAD - 2..].windows(5);
        let bins_seen = seen.zip(features).zip(windows).zip(pixels).zip(first..);
        for (((((contexts, trends), (&older, &ground)), window), (pixel, &level)), k) in bins_seen {
            coder.enter(Layer::Mask);
            let i = k + PAD;
            let seen = Seen {
                contexts,
                trends,
                before: window,
                older,
                ground,
                aligned: past.before[(i as i32 - peaks.shift) as usize],
                harmonic: match peaks.spacing {
                    0 | 1 => 0,
                    spacing => self.here[i - spacing],
                },
            };
            let x = level - floor;
            if !code_mask(bank, coder, *pixel != 0, k, &seen, &below, &peaks) {
                *pixel = 0;
                below.push(false, x.min(0), ground.min(0));
                continue;
            }
            *pixel = self.code_value(bank, coder, *pixel, k, x, &below, &peaks);
            let fresh = below.kept & 1 == 0;
            peaks.note(k, *pixel, fresh, &self.kept[before.clone()]);
            let level = level_of(*pixel, self.step);
            self.here[i] = feature(level);
            below.push(true, level, self.here[i]);
        }
        self.kept.copy_within(before.clone(), stride);
        self.level.copy_within(before, stride);
        self.kept[PAD + first..][..self.bins - first].copy_from_slice(&row[first..]);
        let pixels = self.kept[bins.clone()].iter().zip(background);
        for (level, (&kept, &ground)) in self.level[bins].iter_mut().zip(pixels) {
            *level = match kept {
                0 => ground.min(floor),
                _ => floor + level_of(kept, self.step),
            };
        }
        self.frame += 1;
    }

    /// Codes the value of bin `k`, which is kept: returns value + 1. `ground` is the background above the threshold in
    /// 1/8 dB.
    #[allow(clippy::too_many_arguments)]
    fn code_value<C: BitCoder>(
        &self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        pixel: u16,
        k: usize,
        ground: i32,
        below: &Below,
        peaks: &Peaks,
    ) -> u16 {
        let (i, floor, step) = (k + PAD, self.floor(), self.step);
        let (kept_before, kept_older) = self.kept.split_at(self.stride);
        let (before, older) = self.level.split_at(self.stride);
        // Neighbours: a and b below in this frame; l, u, d in the frame before, here, above and below; ll two before.
        let [a, b] = [below.kept & 1, below.kept >> 1 & 1];
        let [d, l, u] = run(kept_before, i - 1).map(flag);
        let ll = flag(kept_older[i]);
        let [xa, xb] = below.levels;
        let [xd, xl, xu] = run(before, i - 1).map(|level| level - floor);
        let xll = older[i] - floor;
        let aligned_at = (i as i32 - peaks.shift) as usize;
        let aligned = before[aligned_at] - floor;
        let on_ridge = flag(kept_before[aligned_at]);
        let off = peaks.off(k);
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

//! The ridge layer: thresholds, positions and values, frame by frame (Spec §5.2.4).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::{MASK, THRESHOLD, VALUE};
use crate::entropy::range::{BitCoder, Layer};
use alloc::vec;
use alloc::vec::Vec;

/// Columns of zeros on either side of a row, so that neighbours need no bounds checks.
const PAD: usize = 16;

/// One frame as far as it is known.
#[derive(Debug, Clone)]
struct Row {
    /// Value + 1 of kept pixels, else 0.
    kept: Vec<u16>,
    /// Level above the origin in 1/8 dB: of kept pixels the decoded one, else the background's.
    level: Vec<i32>,
}

/// The coder of one channel's ridge layer within a segment.
#[derive(Debug)]
pub(crate) struct Ridge {
    bins: usize,
    threshold_step: i32,
    step: i32,
    /// Zone (0..=15) of every bin.
    zones: Vec<u8>,
    rows: [Row; 3],
    /// Threshold index of the frame being coded and of the two before.
    thresholds: [i32; 3],
    frame: usize,
}

/// Sixteen classes of a level difference in 1/8 dB.
fn class(x: i32) -> usize {
    const EDGES: [i32; 15] = [
        -128, -96, -72, -48, -32, -16, -4, 8, 20, 32, 48, 72, 96, 128, 176,
    ];
    EDGES.iter().filter(|&&e| x >= e).count()
}

fn bit(kept: u16) -> usize {
    usize::from(kept != 0)
}

impl Ridge {
    pub(crate) fn new(bins: usize, zones: Vec<u8>, threshold_step: u8, step: u8) -> Self {
        let row = Row {
            kept: vec![0; bins + 2 * PAD],
            level: vec![0; bins + 2 * PAD],
        };
        Ridge {
            bins,
            threshold_step: i32::from(threshold_step),
            step: i32::from(step),
            zones,
            rows: [row.clone(), row.clone(), row],
            thresholds: [0; 3],
            frame: 0,
        }
    }

    /// The threshold coded last, in 1/8 dB above the origin.
    pub(crate) fn floor(&self) -> i32 {
        self.thresholds[0] * self.threshold_step
    }

    /// Levels of the frame coded last, one a bin, in 1/8 dB above the origin.
    pub(crate) fn levels(&self) -> &[i32] {
        &self.rows[0].level[PAD..PAD + self.bins]
    }

    /// Codes the threshold index of the next frame.
    pub(crate) fn code_threshold<C: BitCoder>(
        &mut self,
        bank: &mut Bank,
        coder: &mut C,
        index: u8,
    ) -> u32 {
        coder.enter(Layer::Thresholds);
        self.thresholds = [0, self.thresholds[0], self.thresholds[1]];
        let [_, before, older] = self.thresholds;
        let change = (before - older).clamp(-7, 7) + 7;
        let contexts = match self.frame {
            0 => [15, 15, 15],
            1 => [31, 31, 31],
            _ => [change as usize, 16, 32 + (before.min(31)) as usize],
        };
        let guess = if self.frame == 0 { 20 } else { before };
        let value = code_number(
            bank,
            coder,
            &THRESHOLD,
            &contexts,
            0,
            guess,
            u32::from(index),
        );
        self.thresholds[0] = value as i32;
        value
    }

    /// Codes the positions and values of the next frame. `row` holds value + 1 of kept pixels, else 0;
    /// `background` the lattice's level above the origin at every bin, in 1/8 dB. A decoder may leave
    /// values beyond 256 in `row` on a stream no encoder writes.
    pub(crate) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank,
        coder: &mut C,
        row: &mut [u16],
        background: &[i32],
    ) {
        let floor = self.thresholds[0] * self.threshold_step;
        let (step, bins) = (self.step, self.bins);
        self.rows.rotate_right(1);
        let [current, before, older] = &mut self.rows;
        for kept in &mut current.kept {
            *kept = 0;
        }
        for level in &mut current.level {
            *level = 0;
        }
        let first = self.frame == 0;
        if first {
            for row in [&mut *before, &mut *older] {
                row.level[PAD..PAD + bins].copy_from_slice(background);
            }
        }
        let drop = self.thresholds[1] - self.thresholds[0];
        let rise = if first {
            7
        } else {
            ((-drop).clamp(-3, 3) + 3) as usize
        };
        let mut near = before.kept[PAD..PAD + 6]
            .iter()
            .filter(|&&q| q != 0)
            .count();
        let mut below = 0;
        let (mut peak, mut peak_before, mut peak_value) = (0usize, 0usize, 0u16);
        let mut shift = 0i32;
        for k in 0..bins {
            let i = k + PAD;
            let (kept, old, older_kept) = (&current.kept, &before.kept, &older.kept);
            if k > 12 {
                below -= bit(kept[i - 13]);
            }
            near += bit(old[i + 6]);
            if k > 6 {
                near -= bit(old[i - 7]);
            }
            let (a, b, c) = (bit(kept[i - 1]), bit(kept[i - 2]), bit(kept[i - 3]));
            let (l, u, d) = (bit(old[i]), bit(old[i + 1]), bit(old[i - 1]));
            let (uu, dd) = (bit(old[i + 2]), bit(old[i - 2]));
            let (ll, lu, ld) = (
                bit(older_kept[i]),
                bit(older_kept[i + 1]),
                bit(older_kept[i - 1]),
            );
            let zone = usize::from(self.zones[k]);
            let xa = current.level[i - 1] - floor;
            let (xl, xu, xd) = (
                before.level[i] - floor,
                before.level[i + 1] - floor,
                before.level[i - 1] - floor,
            );
            let (xll, xlu, xld) = (
                older.level[i] - floor,
                older.level[i + 1] - floor,
                older.level[i - 1] - floor,
            );
            let ground = background[k] - floor;
            let time = (2 * xl + xu + xd) / 4;
            let plane = xa + xl - xd;
            let off = (k - peak).min(15);
            let spacing = (peak - peak_before).min(15);
            let j = (i as i32 - shift) as usize;
            let aligned = before.level[j] - floor;
            let aligned_mask = bit(old[j]) | bit(old[j - 1]) << 1 | bit(old[j + 1]) << 2;
            let blend = (6 * xa + 4 * xl + 3 * xu + 2 * xd + xll) / 16;
            let fine = ((blend + 160) / 8).clamp(0, 63) as usize;
            let far = (2 * xl + xu + xd + 2 * xll + xlu + xld) / 8;
            let contexts = [
                a | b << 1
                    | l << 2
                    | u << 3
                    | d << 4
                    | ll << 5
                    | uu << 6
                    | dd << 7
                    | lu << 8
                    | ld << 9,
                zone | a << 4
                    | l << 5
                    | u << 6
                    | d << 7
                    | ll << 8
                    | b << 9
                    | usize::from(first) << 10,
                (if first { 14 } else { near.min(13) })
                    | below.min(13) << 4
                    | a << 8
                    | l << 9
                    | u << 10
                    | d << 11,
                class(xl) | class(xa) << 4 | u << 8 | d << 9 | ll << 10 | b << 11,
                class(xu) | class(xd) << 4 | a << 8 | l << 9 | ll << 10 | b << 11,
                class(plane) | class(ground) << 4 | a << 8 | l << 9 | b << 10,
                off | spacing << 4 | a << 8 | l << 9 | u << 10 | d << 11,
                class(aligned) | aligned_mask << 4 | a << 7 | b << 8 | l << 9,
                class(time) | class(ground) << 4 | rise << 8 | a << 11,
                (k * 256 / bins) | (a << 8) | l << 9 | usize::from(first) << 10,
                fine | class(ground) << 6 | a << 10 | b << 11,
                class(far) | class(ground) << 4 | a << 8 | l << 9 | c << 10 | b << 11,
            ];
            coder.enter(Layer::Mask);
            let set = a | l << 1 | u << 2 | d << 3 | ll << 4 | usize::from(first) << 5;
            let set2 = zone | a << 4 | b << 5;
            let keep = u32::from(row[k] != 0);
            if bank.code(coder, &MASK, &contexts, [set, set2], keep) == 0 {
                row[k] = 0;
                current.level[i] = background[k].min(floor);
                continue;
            }
            coder.enter(Layer::Values);
            let (mut sum, mut weight) = (0, 0);
            let qa = i32::from(kept[i - 1]) - 1;
            let mut add = |n: i32, x: i32| {
                sum += n * x;
                weight += n;
            };
            let levels = |x: i32| x - step / 2;
            if l != 0 {
                add(2, levels(xl));
            }
            if a != 0 {
                add(2, levels(xa));
            }
            if u != 0 {
                add(1, levels(xu));
            }
            if d != 0 {
                add(1, levels(xd));
            }
            if a != 0 && l != 0 && d != 0 {
                add(2, levels(xa + xl - xd));
            }
            if a != 0 && b != 0 {
                add(1, levels(2 * xa - (current.level[i - 2] - floor)));
            }
            let mean = if weight > 0 {
                (sum + weight * step / 2).div_euclid(weight * step)
            } else {
                0
            };
            let guess = mean.clamp(0, 20);
            let rel = |x: i32| {
                (((x - step / 2 - guess * step) * 4).div_euclid(step) + 7).clamp(0, 14) as usize
            };
            let half = |x: i32| {
                (((x - step / 2 - guess * step) * 2).div_euclid(step) + 4).clamp(0, 7) as usize
            };
            let g = guess.min(3) as usize;
            let values = [
                a | l << 1 | u << 2 | d << 3 | b << 4 | ll << 5 | g << 6,
                if a != 0 { rel(xa) } else { 15 } | (if l != 0 { rel(xl) } else { 15 }) << 4,
                class(ground) | zone << 4,
                if u != 0 { rel(xu) } else { 15 } | (if d != 0 { rel(xd) } else { 15 }) << 4,
                rel(plane) | half(time) << 4 | a << 7,
                off.min(7) | half(aligned) << 3 | g << 6,
            ];
            let set = a | l << 1 | u << 2 | d << 3;
            let _ = qa;
            let value = code_number(
                bank,
                coder,
                &VALUE,
                &values,
                set,
                guess,
                u32::from(row[k].wrapping_sub(1)),
            );
            row[k] = value as u16 + 1;
            current.kept[i] = row[k];
            current.level[i] = floor + value as i32 * step + step / 2;
            below += 1;
            if a == 0 {
                peak_before = peak;
                peak_value = 0;
            }
            if current.kept[i] > peak_value {
                peak_value = current.kept[i];
                peak = k;
                // How far this ridge has moved since the frame before.
                let mut best = 0;
                shift = 0;
                for s in [0, 1, -1, 2, -2] {
                    let q = before.kept[(i as i32 - s) as usize];
                    if q > best {
                        best = q;
                        shift = s;
                    }
                }
            }
        }
        self.frame += 1;
    }
}

//! The background lattice (Spec §5.5).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::LATTICE;
use crate::entropy::range::{BitCoder, Layer};
use crate::header::LatticeShape;
use alloc::vec;
use alloc::vec::Vec;

/// The coder of one channel's lattice within a segment.
#[derive(Debug)]
pub(crate) struct Lattice {
    bands: usize,
    step: i32,
    /// The threshold of the column before, 1/8 dB above the origin.
    floor: i32,
    /// The column coded last and the one before it.
    columns: [Vec<i32>; 2],
    seen: usize,
}

impl Lattice {
    pub(crate) fn new(shape: &LatticeShape) -> Self {
        let bands = usize::from(shape.bands);
        let columns = [vec![0; bands], vec![0; bands]];
        Lattice {
            bands,
            step: i32::from(shape.step),
            columns,
            floor: 0,
            seen: 0,
        }
    }

    /// Levels in a column.
    pub(crate) fn bands(&self) -> usize {
        self.bands
    }

    /// Codes the next column. `floor` is the frame's threshold above the origin in 1/8 dB, 0 without
    /// one: its change since the column before tells where levels go. Returns the largest index; a
    /// decoder may return more than 255 on a stream no encoder writes.
    pub(crate) fn code_column<C: BitCoder>(
        &mut self,
        bank: &mut Bank,
        coder: &mut C,
        column: &mut [u8],
        floor: i32,
    ) -> u32 {
        coder.enter(Layer::Lattice);
        self.columns.swap(0, 1);
        // In 1/8 of a lattice step.
        let rise = (floor - self.floor) * 8 / self.step;
        self.floor = floor;
        let mut worst = 0;
        let fresh = self.seen == 0;
        for b in 0..self.bands {
            let [now, before] = &self.columns;
            // `now` still holds the column two steps back from band b on.
            let older = if self.seen > 1 { now[b] } else { before[b] };
            let south = if b > 0 { now[b - 1] } else { 0 };
            let far_south = if b > 1 { now[b - 2] } else { south };
            let (west, south_west) = (before[b], if b > 0 { before[b - 1] } else { before[b] });
            let far_south_west = if b > 1 { before[b - 2] } else { south_west };
            let north_west = if b + 1 < self.bands {
                before[b + 1]
            } else {
                west
            };
            let lift = if b > 0 { south - south_west } else { 0 };
            let lift2 = if b > 1 {
                far_south - far_south_west
            } else {
                lift
            };
            let guess8 = if fresh {
                8 * south
            } else {
                8 * west + 2 * lift + lift2 + rise / 4
            };
            let guess = (guess8 + 4) >> 3;
            let clip = |x: i32, n: i32| (x.clamp(-n, n) + n) as usize;
            let zone = b * 16 / self.bands;
            let contexts = if fresh {
                [240 | zone, 240 | zone, 240, 255, 255, 240]
            } else {
                [
                    zone | clip(west - guess, 3) << 4,
                    clip(lift, 4) + 9 * clip(lift2, 2) + 45 * clip(west - guess, 2),
                    clip(north_west - guess, 3)
                        + 8 * clip(south - guess, 3)
                        + 64 * usize::from(b == 0),
                    clip(rise / 8, 4) + 9 * clip(west - older, 3),
                    clip(guess8 - 8 * guess, 4) + 9 * clip(lift, 2) + 45 * clip(older - guess, 1),
                    clip(south - guess, 5) + 11 * clip(west - guess, 3),
                ]
            };
            let set = if fresh { 15 } else { zone.min(14) };
            let value = code_number(
                bank,
                coder,
                &LATTICE,
                &contexts,
                set,
                guess,
                u32::from(column[b]),
            );
            worst = worst.max(value);
            self.columns[0][b] = value as i32;
            column[b] = value as u8;
        }
        self.seen += 1;
        worst
    }
}

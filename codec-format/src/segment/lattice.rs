//! The background lattice (Spec §6.5.3).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::LATTICE;
use crate::entropy::range::{BitCoder, Layer};
use crate::error::Result;
use crate::header::LatticeShape;
use crate::memory::Memory;

/// What the first band is guessed to lie below the threshold at the start of a segment, 1/8 dB.
const TYPICAL_DEPTH: i32 = 96;

/// The coder of one channel's lattice within a segment.
#[derive(Debug)]
pub(crate) struct Lattice<M: Memory> {
    bands: usize,
    step: i32,
    /// The threshold of the column before, 1/8 dB above the origin.
    floor: i32,
    /// The column being coded and the two before it, one after the other.
    columns: M::Of<i32>,
    seen: usize,
}

impl<M: Memory> Lattice<M> {
    pub(crate) fn new(shape: &LatticeShape, memory: &mut M) -> Result<Self> {
        let bands = usize::from(shape.bands);
        Ok(Lattice {
            bands,
            step: i32::from(shape.step),
            floor: 0,
            columns: memory.take(3 * bands)?,
            seen: 0,
        })
    }

    /// Begins a segment.
    pub(crate) fn begin(&mut self) {
        (self.floor, self.seen) = (0, 0);
        self.columns.fill(0);
    }

    /// Codes the next column. `floor` is the frame's threshold above the origin in 1/8 dB, 0 without
    /// one: its change since the column before tells where levels go. Returns the largest index; a
    /// decoder may return more than 255 on a stream no encoder writes.
    pub(crate) fn code_column<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        column: &mut [u8],
        floor: i32,
    ) -> u32 {
        coder.enter(Layer::Lattice);
        self.columns.copy_within(..2 * self.bands, self.bands);
        // In 1/8 of a lattice step.
        let rise = (floor - self.floor) * 8 / self.step;
        self.floor = floor;
        let mut largest = 0;
        for (band, index) in column.iter_mut().enumerate() {
            let value = self.code_level(bank, coder, band, rise, u32::from(*index));
            largest = largest.max(value);
            self.columns[band] = value as i32;
            *index = value as u8;
        }
        self.seen += 1;
        largest
    }

    /// Codes the level of one band.
    fn code_level<C: BitCoder>(
        &self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        b: usize,
        rise: i32,
        index: u32,
    ) -> u32 {
        let (now, past) = self.columns.split_at(self.bands);
        let (before, older) = past.split_at(self.bands);
        let fresh = self.seen == 0;
        let zone = b * 16 / self.bands;
        // Compass points on a map with time to the east and frequency to the north.
        let west = before[b];
        let far_west = if self.seen > 1 { older[b] } else { west };
        let north_west = if b + 1 < self.bands {
            before[b + 1]
        } else {
            west
        };
        let south = if b > 0 { now[b - 1] } else { 0 };
        let far_south = if b > 1 { now[b - 2] } else { south };
        // By how much the bands below rose since the column before.
        let lift = if b > 0 { south - before[b - 1] } else { 0 };
        let far_lift = if b > 1 {
            far_south - before[b - 2]
        } else {
            lift
        };
        // The background lies some way below the threshold.
        let guess = match (fresh, b) {
            (false, _) => (8 * west + 2 * lift + far_lift + rise / 4 + 4) >> 3,
            (true, 0) => (self.floor - TYPICAL_DEPTH).max(0) / self.step,
            (true, _) => south,
        };
        let clip = |x: i32, n: i32| (x.clamp(-n, n) + n) as usize;
        let (contexts, sets) = if fresh {
            ([112 | zone, 127, 63, 79], [15, 15])
        } else {
            (
                [
                    zone | clip(west - guess, 3) << 4,
                    clip(north_west - guess, 3)
                        + 8 * clip(south - guess, 3)
                        + 56 * usize::from(b == 0),
                    clip(rise / 8, 4) + 9 * clip(west - far_west, 3).min(5),
                    clip(south - guess, 5) + 11 * clip(west - guess, 3),
                ],
                [
                    zone.min(14),
                    clip(lift, 3) + 7 * usize::from(b > 1 && far_lift > 0),
                ],
            )
        };
        let past = |x: i32| (!fresh).then_some(16 * x);
        let estimates = [
            past(west),
            past(far_west),
            past(north_west),
            (b > 0).then_some(16 * south),
            (b > 1).then_some(16 * far_south),
            past(west + lift),
            past(west + far_lift),
            (!fresh).then_some(16 * west + 2 * rise),
            Some(16 * guess + 24),
            (self.floor > 0).then_some(16 * self.floor / self.step),
        ];
        code_number(
            bank, coder, &LATTICE, &contexts, &estimates, sets, guess, index,
        )
    }
}

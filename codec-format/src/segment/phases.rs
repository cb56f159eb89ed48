//! Stored phases (Spec §6.6).

use crate::entropy::bank::Bank;
use crate::entropy::layout::PHASE;
use crate::entropy::range::{code_fair, BitCoder, Layer};
use crate::error::Result;
use crate::memory::Memory;

/// The coder of one channel's phases within a segment.
#[derive(Debug)]
pub(crate) struct PhaseCoder<M: Memory> {
    bits: u32,
    /// Whether positions are written, not just every pixel's phase.
    positions: bool,
    /// Nonzero where the frame before stored one.
    before: M::Of<u16>,
}

impl<M: Memory> PhaseCoder<M> {
    pub(crate) fn new(bins: usize, bits: u8, positions: bool, memory: &mut M) -> Result<Self> {
        Ok(PhaseCoder {
            bits: u32::from(bits),
            positions,
            before: memory.take(if positions { bins } else { 0 })?,
        })
    }

    /// Begins a segment.
    pub(crate) fn begin(&mut self) {
        self.before.fill(0);
    }

    /// Codes the next frame. `row` holds the angle + 1 of stored phases, else 0; `kept` is nonzero at
    /// kept pixels and `levels` what is known of the level, in 1/8 dB above the origin.
    pub(crate) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        row: &mut [u16],
        kept: &[u16],
        levels: &[i32],
    ) {
        coder.enter(Layer::Phases);
        let bins = row.len();
        for k in 0..bins {
            if self.positions {
                let a = usize::from(k > 0 && row[k - 1] != 0);
                let b = usize::from(k > 1 && row[k - 2] != 0);
                let l = usize::from(self.before[k] != 0);
                let u = usize::from(k + 1 < bins && self.before[k + 1] != 0);
                let d = usize::from(k > 0 && self.before[k - 1] != 0);
                let keep = usize::from(kept[k] != 0);
                let level = (levels[k] / 24).clamp(0, 63) as usize;
                let contexts = [
                    a | b << 1 | l << 2 | u << 3 | d << 4 | keep << 5,
                    level | a << 6 | l << 7,
                    level | keep << 6,
                ];
                let set = a | l << 1 | keep << 2;
                if bank.code(
                    coder,
                    &PHASE,
                    &contexts,
                    &[],
                    [set, 0, 0],
                    u32::from(row[k] != 0),
                ) == 0
                {
                    row[k] = 0;
                    continue;
                }
            }
            row[k] = code_fair(coder, u32::from(row[k].wrapping_sub(1)), self.bits) as u16 + 1;
        }
        if self.positions {
            self.before.copy_from_slice(row);
        }
    }
}

//! Values by context of masks without thresholds, whose positions are known before (Spec §6.4.2).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::SCATTERED_VALUE;
use crate::entropy::range::{BitCoder, Layer};
use crate::error::Result;
use crate::memory::Memory;

/// The coder of one channel's values by context, for masks whose positions are already known.
#[derive(Debug)]
pub(crate) struct ScatteredValues<M: Memory> {
    /// Value + 1 last seen in each bin.
    recent: M::Of<u16>,
    step: i32,
}

impl<M: Memory> ScatteredValues<M> {
    pub(crate) fn new(bins: usize, step: u8, memory: &mut M) -> Result<Self> {
        Ok(ScatteredValues {
            recent: memory.take(bins)?,
            step: i32::from(step),
        })
    }

    /// Begins a segment.
    pub(crate) fn begin(&mut self) {
        self.recent.fill(0);
    }

    /// Codes the values of the next frame's kept pixels. `row` holds a nonzero number where a pixel
    /// is kept, value + 1 after; `background` levels in 1/8 dB above the origin, if there are any.
    pub(crate) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        row: &mut [u16],
        background: Option<&[i32]>,
    ) {
        coder.enter(Layer::Values);
        let mut below: Option<i32> = None;
        let bins = row.len();
        for k in 0..bins {
            if row[k] == 0 {
                continue;
            }
            let (mut sum, mut weight) = (0, 0);
            for e in 0..4usize {
                for j in [k.wrapping_sub(e), k + e] {
                    if let Some(&q) = self.recent.get(j).filter(|&&q| q != 0) {
                        sum += (4 - e as i32) * (i32::from(q) - 1);
                        weight += 4 - e as i32;
                    }
                }
            }
            let time = (weight > 0).then(|| (sum + weight / 2) / weight);
            let ground = background.map(|levels| levels[k] / self.step);
            let guess = match (time, below, ground) {
                (Some(t), Some(b), _) => (t + b + 1) / 2,
                (Some(x), None, _) | (None, Some(x), _) | (None, None, Some(x)) => x,
                _ => 0,
            };
            let difference =
                |x: Option<i32>| x.map_or(7, |x| ((x - guess).clamp(-3, 3) + 3) as usize);
            let contexts = [
                difference(time) | difference(below) << 3,
                difference(ground) | difference(below) << 3,
                (k * 16 / bins).min(15)
                    | usize::from(time.is_some()) << 4
                    | usize::from(below.is_some()) << 5,
            ];
            let value = code_number(
                bank,
                coder,
                &SCATTERED_VALUE,
                &contexts,
                &[],
                [0, 0],
                guess,
                u32::from(row[k].wrapping_sub(1)),
            );
            row[k] = value as u16 + 1;
            self.recent[k] = row[k];
            below = Some(value as i32);
        }
    }
}

//! The trained start of a segment's state (Spec §5.6).

use super::bank::BankBuffers;
use super::layout::{TRAINED_SITES, TRAINED_SLOTS, TRAINED_WEIGHTS, WEIGHT_RUNS};
use super::logistic::{squash, stretch};
use crate::memory::Memory;
use alloc::vec::Vec;

/// Bytes of a table: two for every trained slot and weight.
pub const PRIORS_LENGTH: usize = 2 * (TRAINED_SLOTS + TRAINED_WEIGHTS);

/// The table that is part of the format (Spec §5.6 has its hash).
pub static PRIORS: &[u8] = include_bytes!("priors.bin");

/// Counts behind the four bits of a prior's confidence. None is large: a segment's own statistics must
/// soon outweigh it.
pub(crate) const COUNTS: [u32; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 32];

/// A slot that has seen nothing.
const IGNORANT: u32 = 1 << 31;

impl<M: Memory> BankBuffers<M> {
    /// The state at the start of a segment under the given table. What has no entry starts without training: every slot
    /// ignorant, every mixer averaging its inputs with a little more trust than the mean.
    pub(crate) fn reset(&mut self, table: &[u8]) {
        let (slots, weights) = table.split_at(table.len().min(2 * TRAINED_SLOTS));
        let trained = self.slots.len().min(slots.len() / 2);
        for (slot, word) in self.slots.iter_mut().zip(slots.chunks_exact(2)) {
            *slot = slot_of(u16::from_le_bytes([word[0], word[1]]));
        }
        self.slots[trained..].fill(IGNORANT);
        let mut words = weights.chunks_exact(2);
        for run in WEIGHT_RUNS {
            let share = if run.slots == 1 {
                1 << 16
            } else {
                (5 << 14) / run.slots as i32
            };
            let Some(sets) = self.weights.get_mut(run.first..run.end) else {
                break;
            };
            for set in sets.chunks_exact_mut(run.inputs) {
                set.fill(0);
                set[..run.slots].fill(share);
                for (weight, word) in set[..run.used].iter_mut().zip(&mut words) {
                    *weight = i32::from(i16::from_le_bytes([word[0], word[1]])) << 4;
                }
            }
        }
    }
}

/// A table entry as a slot: the logit, halved, in the upper 12 bits and the confidence below.
#[inline]
fn slot_of(word: u16) -> u32 {
    let logit = i32::from(word as i16 >> 4) * 2;
    squash(logit) << 16 | COUNTS[usize::from(word & 15)]
}

/// The nearest table entry to a slot.
fn word_of(slot: u32) -> u16 {
    let logit = stretch(slot >> 16) / 2;
    let count = slot & 1023;
    let confidence = COUNTS.iter().rposition(|&c| c <= count).unwrap_or(0);
    (logit << 4) as u16 & 0xfff0 | confidence as u16
}

/// The bytes of a table.
pub(crate) fn table<M: Memory>(bank: &BankBuffers<M>) -> Vec<u8> {
    let slots = bank.slots[..TRAINED_SLOTS]
        .iter()
        .map(|&slot| word_of(slot));
    let sets = WEIGHT_RUNS[..TRAINED_SITES].iter().flat_map(|run| {
        let sets = bank.weights[run.first..run.end].chunks_exact(run.inputs);
        sets.flat_map(|set| &set[..run.used])
    });
    let weights =
        sets.map(|&w| ((w + 8) >> 4).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as u16);
    slots.chain(weights).flat_map(u16::to_le_bytes).collect()
}

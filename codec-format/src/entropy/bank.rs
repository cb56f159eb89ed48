//! Adaptive probabilities and the mixers that combine them (Spec §5.3, §5.4).

use super::layout::extent;
use super::logistic::{logit_at, places, probability, LIMIT, LOGITS, SIDE};
use super::range::{BitCoder, ONE};
use crate::error::Result;
use crate::header::Header;
use crate::memory::Memory;
use core::array;

/// Weights are in 1/65536, from minus eight to less than eight.
const MOST_WEIGHT: i32 = 8 << 16;

/// Mixers of a decision; their outputs are averaged.
pub(crate) const MIXERS: usize = 3;

/// A place in a segment where a kind of decision is coded: which slots and weights belong to it. It
/// mixes `N` adaptive probabilities and `F` measurements, filled up with zeros to `I` inputs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<const N: usize, const F: usize, const I: usize> {
    /// First slot of each input.
    pub(crate) slots: [usize; N],
    /// First weight of every mixer.
    pub(crate) sets: [usize; MIXERS],
}

/// How quickly slots and mixers learn.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Largest count of a slot: it moves by at least `1 / (limit + 1.5)` of the way.
    pub(crate) limit: u32,
    /// Speed of the mixers: what an error of one moves the weight of a logit of one, in 1/65536.
    pub(crate) speed: i32,
}

impl Pace {
    /// That of streams (Spec §5.3, §5.4).
    pub(crate) const STREAM: Pace = Pace {
        limit: 127,
        speed: 400,
    };
}

/// The memory of all the adaptive state that segments of a stream need.
///
/// A slot is a probability in its upper 22 bits and a count of the bits it has seen in its lower 10.
#[derive(Debug, Clone)]
pub(crate) struct BankBuffers<M: Memory> {
    pub(crate) slots: M::Of<u32>,
    pub(crate) weights: M::Of<i32>,
    pub(crate) pace: Pace,
}

impl<M: Memory> BankBuffers<M> {
    /// Takes the memory that streams with this header need; [`reset`](Self::reset) fills it.
    pub(crate) fn new(header: &Header, memory: &mut M) -> Result<Self> {
        Self::of(extent(header), memory)
    }

    /// The same for so many slots and weights.
    pub(crate) fn of((slots, weights): (usize, usize), memory: &mut M) -> Result<Self> {
        Ok(BankBuffers {
            slots: memory.take(slots)?,
            weights: memory.take(weights)?,
            pace: Pace::STREAM,
        })
    }

    /// The state to code with.
    pub(crate) fn bank(&mut self) -> Bank<'_> {
        Bank {
            slots: &mut self.slots,
            weights: &mut self.weights,
            pace: self.pace,
        }
    }
}

/// The adaptive state of a segment.
#[derive(Debug)]
pub(crate) struct Bank<'a> {
    slots: &'a mut [u32],
    weights: &'a mut [i32],
    pace: Pace,
}

/// `floor(65536 / (n + 1.5))`: how far a slot moves that has seen `n` bits.
const RECIPROCALS: [u32; 1024] = {
    let mut table = [0; 1024];
    let mut n = 0;
    while n < 1024 {
        table[n] = (2 * 65536) / (2 * n as u32 + 3);
        n += 1;
    }
    table
};

impl Bank<'_> {
    /// Codes a bit at `site`. `contexts` picks a slot of each input, `sets` a weight set of each
    /// mixer; `features` are measurements, scaled like logits.
    #[inline]
    pub(crate) fn code<C: BitCoder, const N: usize, const F: usize, const I: usize>(
        &mut self,
        coder: &mut C,
        site: &Site<N, F, I>,
        contexts: &[usize; N],
        features: &[i16; F],
        sets: [usize; MIXERS],
        bit: u32,
    ) -> u32 {
        let Pace { limit, speed } = self.pace;
        // Slots before features.
        let mut inputs = [0i16; I];
        let mut index = [0usize; N];
        let mut chances = [0u16; SIDE];
        for n in 0..N {
            index[n] = site.slots[n] + contexts[n];
            chances[n] = (self.slots[index[n]] >> 16) as u16;
        }
        let places = places(chances);
        for n in 0..N {
            inputs[n] = logit_at(places[n]);
        }
        inputs[N..N + F].copy_from_slice(features);
        let mut first = [0usize; MIXERS];
        // Logits, counted from the least.
        let mut mixed = [LIMIT as usize; MIXERS];
        for m in 0..MIXERS {
            first[m] = site.sets[m] + sets[m] * I;
            if let Some(weights) = self.weights[first[m]..].first_chunk() {
                let logit = (dot(weights, &inputs) >> 12) + LIMIT;
                mixed[m] = logit.clamp(0, LOGITS as i32 - 1) as usize;
            }
        }
        let p = probability(mixed.iter().sum::<usize>() / MIXERS).clamp(2, ONE - 2);
        let bit = coder.code(bit, p);
        for m in 0..MIXERS {
            let error = (bit << 16) as i32 - probability(mixed[m]) as i32;
            if let Some(weights) = self.weights[first[m]..].first_chunk_mut() {
                let step = (error * speed) >> 8;
                // In two parts of 16 bits, as processors multiply them best.
                learn(weights, &inputs, (step >> 2) as i16, (step & 3) as i16);
            }
        }
        for &i in &index {
            self.slots[i] = advance(self.slots[i], bit, limit);
        }
        bit
    }
}

/// Weights that are moved side by side.
const LANES: usize = 4;

/// The sum of 1/16 of the weights, each times its input. Below 2^31: 24 times 2^15 times 2816.
#[inline(always)]
fn dot<const I: usize>(weights: &[i32; I], inputs: &[i16; I]) -> i32 {
    const SIDE: usize = 4 * LANES;
    // Compilers find good instructions for four times the lanes, but not for five.
    if I == SIDE + LANES {
        if let (Some(w), Some(x)) = (weights.first_chunk::<SIDE>(), inputs.first_chunk()) {
            if let (Some(v), Some(y)) = (weights.last_chunk::<LANES>(), inputs.last_chunk()) {
                return part(w, x) + part(v, y);
            }
        }
    }
    part(weights, inputs)
}

/// [`dot`] of a few.
#[inline(never)]
fn part<const I: usize>(weights: &[i32; I], inputs: &[i16; I]) -> i32 {
    let mut sums = [0; LANES];
    let groups = inputs.chunks_exact(LANES);
    for (w, x) in weights.chunks_exact(LANES).zip(groups) {
        for (n, sum) in sums.iter_mut().enumerate() {
            // A weight has 20 bits: shifted like this it is seen to fit.
            *sum += i32::from((w[n] << 12 >> 16) as i16) * i32::from(x[n]);
        }
    }
    sums.iter().sum()
}

/// Moves every weight by its input times `4 upper + lower`, in 1/65536, rounded, and keeps it within 20 bits.
#[inline(never)]
fn learn<const I: usize>(weights: &mut [i32; I], inputs: &[i16; I], upper: i16, lower: i16) {
    let moves: [i32; I] = array::from_fn(|n| {
        let product =
            i32::from(inputs[n] << 2) * i32::from(upper) + i32::from(inputs[n]) * i32::from(lower);
        (product + (1 << 15)) >> 16
    });
    let mut beyond = 0;
    for (w, x) in weights.iter_mut().zip(&moves) {
        *w += x;
        beyond |= *w + MOST_WEIGHT;
    }
    if beyond >> 20 != 0 {
        confine(weights);
    }
}

/// Rarely needed.
#[cold]
#[inline(never)]
fn confine(weights: &mut [i32]) {
    for w in weights {
        *w = (*w).clamp(-MOST_WEIGHT, MOST_WEIGHT - 1);
    }
}

/// A slot after it has seen `bit`.
#[inline]
fn advance(slot: u32, bit: u32, limit: u32) -> u32 {
    let count = slot & 1023;
    // All ones for a one, which is as near to certainty as 22 bits come.
    let target = i64::from(bit.wrapping_neg() >> 10);
    let moved = (target - i64::from(slot >> 10)) * i64::from(RECIPROCALS[count as usize]);
    // No count lies above the limit.
    slot.wrapping_add((moved >> 16 << 10) as u32) + u32::from(count < limit)
}

//! Adaptive probabilities and the mixers that combine them (Spec §5.3, §5.4).

use super::layout::extent;
use super::logistic::{squash, stretch, LIMIT};
use super::range::{BitCoder, ONE};
use crate::error::Result;
use crate::header::Header;
use crate::memory::Memory;

/// One in the mixers' fixed point.
const WEIGHT_ONE: i32 = 1 << 16;

/// Most inputs of a mixer.
const MAX_INPUTS: usize = 24;

/// Mixers of a decision; their outputs are averaged.
pub(crate) const MIXERS: usize = 3;

/// A place in a segment where a kind of decision is coded: which slots and weights belong to it. It
/// mixes `N` adaptive probabilities and `F` measurements.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Site<const N: usize, const F: usize> {
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
    pub(crate) fn code<C: BitCoder, const N: usize, const F: usize>(
        &mut self,
        coder: &mut C,
        site: &Site<N, F>,
        contexts: &[usize; N],
        features: &[i32; F],
        sets: [usize; MIXERS],
        bit: u32,
    ) -> u32 {
        let Pace { limit, speed } = self.pace;
        // Slots before features; a few zeros more cost less than a length known too late.
        let mut inputs = [0i16; MAX_INPUTS];
        let mut index = [0usize; N];
        for n in 0..N {
            index[n] = site.slots[n] + contexts[n];
            inputs[n] = stretch((self.slots[index[n]] >> 16).max(1)) as i16;
        }
        for (input, &feature) in inputs[N..N + F].iter_mut().zip(features) {
            *input = feature as i16;
        }
        let inputs = &inputs[..N + F];
        let mut first = [0usize; MIXERS];
        let mut mixed = [0i32; MIXERS];
        for m in 0..MIXERS {
            first[m] = site.sets[m] + sets[m] * (N + F);
            let weights = &self.weights[first[m]..first[m] + N + F];
            // Below 2^31: 24 times 2^15 times 2816.
            let sum: i32 = weights
                .iter()
                .zip(inputs)
                .map(|(&w, &x)| i32::from((w >> 4) as i16) * i32::from(x))
                .sum();
            mixed[m] = (sum >> 12).clamp(-LIMIT, LIMIT);
        }
        let p = squash(mixed.iter().sum::<i32>().div_euclid(MIXERS as i32)).clamp(2, ONE - 2);
        let bit = coder.code(bit, p);
        for m in 0..MIXERS {
            let error = (bit << 16) as i32 - squash(mixed[m]) as i32;
            let step = (error * speed) >> 8;
            let weights = &mut self.weights[first[m]..first[m] + N + F];
            for (w, &x) in weights.iter_mut().zip(inputs) {
                *w = (*w + ((i32::from(x) * step + (1 << 15)) >> 16))
                    .clamp(-8 * WEIGHT_ONE, 8 * WEIGHT_ONE - 1);
            }
        }
        for &i in &index {
            self.slots[i] = advance(self.slots[i], bit, limit);
        }
        bit
    }
}

/// A slot after it has seen `bit`.
#[inline]
fn advance(slot: u32, bit: u32, limit: u32) -> u32 {
    let count = slot & 1023;
    let p = (slot >> 10) as i32;
    let target = if bit != 0 { (1 << 22) - 1 } else { 0 };
    let moved = (i64::from(target - p) * i64::from(RECIPROCALS[count as usize])) >> 16;
    let p = (i64::from(p) + moved) as u32;
    p << 10 | (count + 1).min(limit)
}

//! The waveform layer: coefficients of the lowest band (Spec §6.7).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::COEFFICIENT;
use crate::entropy::range::{code_fair, BitCoder, Layer};
use crate::error::Result;
use crate::memory::Memory;

/// Columns of zeros on either side of a row, so that neighbours need no bounds checks.
const PAD: usize = 2;

/// From here on a magnitude is coded as fair bits: what lies above is too rare to be learnt.
const FAIR_FROM: u32 = 255;
/// Bits of such a rest.
const FAIR_BITS: u32 = 12;

/// `round(65536 / 2^(n / 48))` for `n` = 0, 3, .. 45: an amplitude falls by half in 48 units of 1/8 dB.
const FALL: [u32; 16] = [
    65536, 62757, 60097, 57549, 55109, 52773, 50535, 48393, 46341, 44376, 42495, 40693, 38968,
    37316, 35734, 34219,
];

/// Largest neighbour, in 1/16 step: beyond, all are one.
const LOUDEST: u32 = 16 * 1023;

/// The coder of one channel's waveform layer within a segment.
#[derive(Debug)]
pub(crate) struct Waveform<M: Memory> {
    /// Numbers of a row, with its padding.
    stride: usize,
    /// Magnitudes of the frame being coded and the two before, in 1/16 of the present frame's step, one row after the
    /// other.
    rows: M::Of<u32>,
    /// The threshold the steps of `rows` go by, 1/8 dB above the origin.
    floor: i32,
    seen: usize,
}

/// Sixteen classes of a magnitude in 1/16 step (Spec §6.7): how many edges it reaches.
fn class(x: u32) -> usize {
    usize::from(CLASSES[(x as usize).min(CLASSES.len() - 1)])
}

/// The class of every magnitude up to the last edge.
static CLASSES: [u8; 641] = {
    const EDGES: [usize; 15] = [1, 4, 7, 11, 16, 22, 30, 40, 54, 72, 96, 136, 200, 320, 640];
    let mut classes = [0; 641];
    let (mut x, mut class) = (0, 0);
    while x < classes.len() {
        while class < EDGES.len() && x >= EDGES[class] {
            class += 1;
        }
        classes[x] = class as u8;
        x += 1;
    }
    classes
};

/// `x` by so many 1/8 dB less, or more if `fall` is negative.
fn attenuated(x: u32, fall: i32) -> u32 {
    let (halvings, rest) = (fall.div_euclid(48), fall.rem_euclid(48));
    let part = (u64::from(x) * u64::from(FALL[rest as usize / 3])) >> 16;
    let scaled = if halvings >= 0 {
        part >> halvings.min(40)
    } else {
        part << (-halvings).min(20)
    };
    scaled.min(u64::from(LOUDEST)) as u32
}

impl<M: Memory> Waveform<M> {
    pub(crate) fn new(coefficients: usize, memory: &mut M) -> Result<Self> {
        let stride = coefficients + 2 * PAD;
        Ok(Waveform {
            stride,
            rows: memory.take(3 * stride)?,
            floor: 0,
            seen: 0,
        })
    }

    /// Begins a segment.
    pub(crate) fn begin(&mut self) {
        (self.floor, self.seen) = (0, 0);
        self.rows.fill(0);
    }

    /// Codes the indices of the next frame, whose threshold lies `floor` above the origin, in 1/8 dB. Returns
    /// the largest magnitude; a decoder may return more than the largest index on a stream no encoder writes.
    pub(crate) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        row: &mut [i16],
        floor: i32,
    ) -> u32 {
        coder.enter(Layer::Waveform);
        self.rows.copy_within(..2 * self.stride, self.stride);
        self.rows[..self.stride].fill(0);
        let fall = floor - self.floor;
        self.floor = floor;
        for x in self.rows[self.stride..].iter_mut().filter(|x| **x != 0) {
            *x = attenuated(*x, fall);
        }
        let mut largest = 0;
        for (k, index) in row.iter_mut().enumerate() {
            let magnitude = self.code_magnitude(bank, coder, k, u32::from(index.unsigned_abs()));
            let negative = magnitude > 0 && code_fair(coder, u32::from(*index < 0), 1) != 0;
            largest = largest.max(magnitude);
            self.rows[k + PAD] = (16 * magnitude).min(LOUDEST);
            let signed = magnitude.min(FAIR_FROM + (1 << FAIR_BITS)) as i16;
            *index = if negative { -signed } else { signed };
        }
        self.seen += 1;
        largest
    }

    fn code_magnitude<C: BitCoder>(
        &self,
        bank: &mut Bank<'_>,
        coder: &mut C,
        k: usize,
        magnitude: u32,
    ) -> u32 {
        let (now, past) = self.rows.split_at(self.stride);
        let (before, older) = past.split_at(self.stride);
        let i = k + PAD;
        let (a, b) = (now[i - 1], now[i - 2]);
        let near = (2 * a + b) / 3;
        let past = (2 * before[i] + before[i - 1] + before[i + 1]) / 4;
        let wide = (before[i - 2]
            + before[i + 2]
            + older[i - 2]
            + older[i - 1]
            + 2 * older[i]
            + older[i + 1]
            + older[i + 2])
            / 8;
        let mean = (2 * a + b + 2 * before[i] + before[i - 1] + before[i + 1] + older[i]) / 8;
        let fresh = self.seen == 0;
        // The median of what is Laplace distributed lies at 0.69 of the mean.
        let guess = mean * 11 / 256;
        let zone = (k / 4).min(7);
        let contexts = [
            class(mean) | zone << 4,
            class(past) | (class(near) / 2) << 4,
            class(wide) | (class(a) / 2) << 4,
            if fresh {
                63
            } else {
                k.min(31) + 32 * usize::from(guess > 0)
            },
        ];
        let estimates = [
            Some(mean.min(4000) as i32),
            Some(past.min(4000) as i32),
            Some(a.min(4000) as i32),
            Some(wide.min(4000) as i32),
        ];
        let sets = [class(mean), class(wide)];
        let low = code_number(
            bank,
            coder,
            &COEFFICIENT,
            &contexts,
            &estimates,
            sets,
            guess.min(FAIR_FROM) as i32,
            magnitude.min(FAIR_FROM),
        );
        match low {
            FAIR_FROM => FAIR_FROM + code_fair(coder, magnitude.wrapping_sub(FAIR_FROM), FAIR_BITS),
            // Below it, or more than any encoder writes.
            low if low < FAIR_FROM => low,
            _ => u32::from(u16::MAX),
        }
    }
}

//! The binary range coder (Spec §5.1).
//!
//! Both directions keep an interval of a 48-bit number line. `range` stays between 2^40 and 2^48, so
//! a 16-bit probability splits it with at least 24 bits of precision and rounding costs nothing worth
//! counting. Carries run back into the bytes already written, so there is nothing to escape.

use alloc::vec::Vec;

/// The whole of the number line.
const TOP: u64 = 1 << 48;
/// Below this the interval is widened by a byte.
const BOTTOM: u64 = 1 << 40;

/// Probabilities are in units of 1/65536.
pub(crate) const ONE: u32 = 1 << 16;
/// The probability of a fair bit.
pub(crate) const HALF: u32 = ONE / 2;

/// One direction of coding. The same modelling code drives the encoder, the decoder and the meter,
/// so they cannot disagree about a context.
pub(crate) trait BitCoder {
    /// Codes one bit whose probability of being 1 is `p / 65536`, 1..=65535. An encoder writes `bit`
    /// and returns it; a decoder ignores `bit` and returns the one it read.
    fn code(&mut self, bit: u32, p: u32) -> u32;

    /// Says which layer the coming bits belong to; only a meter listens.
    fn enter(&mut self, _layer: Layer) {}
}

/// The parts of a segment that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layer {
    Mask,
    Values,
    Thresholds,
    Lattice,
    Phases,
    Waveform,
}

/// Symbols to bytes.
#[derive(Debug)]
pub(crate) struct Encoder {
    low: u64,
    range: u64,
    start: usize,
    bytes: Vec<u8>,
}

impl Encoder {
    /// An encoder that appends to `bytes`; what is there already is never touched.
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Encoder {
            low: 0,
            range: TOP,
            start: bytes.len(),
            bytes,
        }
    }

    /// Adds one to the number written so far. The interval never leaves the unit interval, so the
    /// carry ends within this payload.
    fn carry(&mut self) {
        for byte in self.bytes[self.start..].iter_mut().rev() {
            let (sum, over) = byte.overflowing_add(1);
            *byte = sum;
            if !over {
                break;
            }
        }
    }

    /// Ends the payload with the fewest bytes that still lie within the interval when followed by
    /// zeros for ever, and drops the zeros at its end: the decoder supplies them.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        for count in 0..=6u32 {
            let unit = TOP >> (8 * count);
            let value = self.low.div_ceil(unit) * unit;
            if value - self.low < self.range {
                if value >= TOP {
                    self.carry();
                }
                for n in 0..count {
                    self.bytes.push((value >> (40 - 8 * n)) as u8);
                }
                break;
            }
        }
        while self.bytes.len() > self.start && self.bytes.last() == Some(&0) {
            self.bytes.pop();
        }
        self.bytes
    }
}

impl BitCoder for Encoder {
    fn code(&mut self, bit: u32, p: u32) -> u32 {
        let bound = (self.range >> 16) * u64::from(p);
        if bit != 0 {
            self.range = bound;
        } else {
            self.low += bound;
            self.range -= bound;
        }
        if self.low >= TOP {
            self.low -= TOP;
            self.carry();
        }
        while self.range < BOTTOM {
            self.bytes.push((self.low >> 40) as u8);
            self.low = (self.low << 8) & (TOP - 1);
            self.range <<= 8;
        }
        bit
    }
}

/// Bytes to symbols.
#[derive(Debug)]
pub(crate) struct Decoder<'a> {
    code: u64,
    range: u64,
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Decoder<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        let mut decoder = Decoder {
            code: 0,
            range: TOP,
            bytes,
            next: 0,
        };
        for _ in 0..6 {
            decoder.code = decoder.code << 8 | decoder.byte();
        }
        decoder
    }

    /// The next byte; beyond the payload there are zeros.
    fn byte(&mut self) -> u64 {
        let byte = self.bytes.get(self.next).copied().unwrap_or(0);
        self.next += 1;
        u64::from(byte)
    }

    /// Whether every byte of the payload has come into play: anything left over is foreign.
    pub(crate) fn is_used_up(&self) -> bool {
        self.next >= self.bytes.len()
    }
}

impl BitCoder for Decoder<'_> {
    fn code(&mut self, _bit: u32, p: u32) -> u32 {
        let bound = (self.range >> 16) * u64::from(p);
        let bit = if self.code < bound {
            self.range = bound;
            1
        } else {
            self.code -= bound;
            self.range -= bound;
            0
        };
        while self.range < BOTTOM {
            self.code = self.code << 8 | self.byte();
            self.range <<= 8;
        }
        bit
    }
}

/// Passes bits on to another coder and adds up their ideal code length by layer.
#[derive(Debug)]
pub(crate) struct Meter<C> {
    pub(crate) inner: C,
    layer: Layer,
    /// By [`Layer`], in 1/65536 bit.
    pub(crate) cost: [u64; 6],
}

impl<C> Meter<C> {
    pub(crate) fn new(inner: C) -> Self {
        Meter {
            inner,
            layer: Layer::Mask,
            cost: [0; 6],
        }
    }
}

impl<C: BitCoder> BitCoder for Meter<C> {
    fn code(&mut self, bit: u32, p: u32) -> u32 {
        let bit = self.inner.code(bit, p);
        self.cost[self.layer as usize] += ideal_cost(if bit != 0 { p } else { ONE - p });
        bit
    }

    fn enter(&mut self, layer: Layer) {
        self.layer = layer;
    }
}

/// Writes nothing: for training and for measuring.
#[derive(Debug)]
pub(crate) struct Null;

impl BitCoder for Null {
    fn code(&mut self, bit: u32, _p: u32) -> u32 {
        bit
    }
}

/// `-65536 log2(p / 65536)`, rounded up to a whole number, for `p` in 1..=65536.
fn ideal_cost(p: u32) -> u64 {
    let whole = 31 - p.leading_zeros();
    // The mantissa in 1..2, as Q30; every squaring yields a bit of its logarithm.
    let mut mantissa = u64::from(p) << (30 - whole);
    let mut log = u64::from(whole);
    for _ in 0..16 {
        mantissa = (mantissa * mantissa) >> 30;
        log <<= 1;
        if mantissa >= 1 << 31 {
            mantissa >>= 1;
            log |= 1;
        }
    }
    (16 << 16) - log
}

/// Codes the low `width` bits of `value`, highest first, as fair bits.
pub(crate) fn code_fair<C: BitCoder>(coder: &mut C, value: u32, width: u32) -> u32 {
    (0..width)
        .rev()
        .fold(0, |read, n| read << 1 | coder.code(value >> n & 1, HALF))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequence(length: u32, seed: u32) -> Vec<(u32, u32)> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state >> 8
        };
        (0..length)
            .map(|_| {
                let p = match next() % 4 {
                    0 => 1,
                    1 => ONE - 1,
                    _ => 1 + next() % (ONE - 1),
                };
                (u32::from(next() % ONE < p), p)
            })
            .collect()
    }

    #[test]
    fn returns_every_bit_it_was_given() {
        for seed in 0..200 {
            let bits = sequence(seed * 7, seed);
            let mut encoder = Encoder::new(Vec::from([7]));
            for &(bit, p) in &bits {
                encoder.code(bit, p);
            }
            let bytes = encoder.finish();
            assert_eq!(bytes[0], 7);
            assert!(bytes.len() == 1 || bytes.last() != Some(&0));
            let mut decoder = Decoder::new(&bytes[1..]);
            for &(bit, p) in &bits {
                assert_eq!(decoder.code(0, p), bit);
            }
            assert!(decoder.is_used_up());
        }
    }

    #[test]
    fn spends_the_ideal_length() {
        let bits = sequence(100_000, 3);
        let mut meter = Meter::new(Encoder::new(Vec::new()));
        for &(bit, p) in &bits {
            meter.code(bit, p);
        }
        let ideal = meter.cost[0] as f64 / 65536.0;
        let real = 8.0 * meter.inner.finish().len() as f64;
        assert!(
            (real - ideal).abs() < 0.005 * ideal,
            "{real} against {ideal}"
        );
    }

    #[test]
    fn costs_are_logarithms() {
        assert_eq!(ideal_cost(ONE), 0);
        assert_eq!(ideal_cost(HALF), 65536);
        assert_eq!(ideal_cost(1), 16 * 65536);
        for p in 1..ONE {
            let exact = -65536.0 * (f64::from(p) / 65536.0).log2();
            assert!((ideal_cost(p) as f64 - exact).abs() <= 1.01, "{p}");
        }
    }
}

//! The codings of masks and values other than the ridge layer's (Spec §5.2.1 to §5.2.3, §5.4).

use super::number::code_number;
use crate::entropy::bank::Bank;
use crate::entropy::layout::{PLAIN_VALUE, RUN};
use crate::entropy::range::{code_plain, BitCoder, Layer};
use crate::error::{Error, Result};
use alloc::vec;
use alloc::vec::Vec;
use bitvec::field::BitField;
use bitvec::order::Lsb0;
use bitvec::vec::BitVec;

/// Writes `indices` in the fewest whole bits that hold the largest: a byte with that number, then
/// the indices, lowest bit first, the last byte filled up with zeros.
pub(crate) fn write_packed(indices: &[u8], bytes: &mut Vec<u8>) {
    let width = indices
        .iter()
        .max()
        .map_or(0, |&max| 8 - max.leading_zeros() as usize);
    let mut bits: BitVec<u8, Lsb0> = BitVec::repeat(false, width * indices.len());
    if width > 0 {
        for (field, &index) in bits.chunks_exact_mut(width).zip(indices) {
            field.store_le(index);
        }
    }
    bytes.push(width as u8);
    bytes.extend_from_slice(bits.as_raw_slice());
}

/// Reads `count` indices as [`write_packed`] wrote them, and the bytes they took.
pub(crate) fn read_packed(bytes: &[u8], count: usize) -> Result<(Vec<u8>, usize)> {
    let end = bytes.len() as u64;
    let width = usize::from(*bytes.first().ok_or(Error::Truncated {
        what: "packed values",
        at: end,
    })?);
    if width > 8 {
        return Err(Error::Malformed {
            what: "width of packed values",
            at: 0,
        });
    }
    let length = (width * count + 7) / 8;
    let packed = bytes.get(1..1 + length).ok_or(Error::Truncated {
        what: "packed values",
        at: end,
    })?;
    if width == 0 {
        return Ok((vec![0; count], 1));
    }
    let bits = bitvec::slice::BitSlice::<u8, Lsb0>::from_slice(packed);
    let indices = bits
        .chunks_exact(width)
        .take(count)
        .map(|field| field.load_le::<u8>())
        .collect();
    Ok((indices, 1 + length))
}

/// Codes the positions in `kept` (nonzero where kept) as alternating runs, a gap first (Spec §5.2.3).
/// A decoder writes `marker` where a pixel is kept.
pub(crate) fn code_runs<C: BitCoder>(
    bank: &mut Bank,
    coder: &mut C,
    kept: &mut [u16],
    marker: u16,
) -> Result<()> {
    coder.enter(Layer::Mask);
    let mut at = 0;
    let mut keeping = false;
    while at < kept.len() {
        let least = usize::from(at > 0);
        let length = kept[at..]
            .iter()
            .take_while(|&&q| (q != 0) == keeping)
            .count();
        let length = code_length(
            bank,
            coder,
            usize::from(keeping),
            length.wrapping_sub(least),
        ) + least;
        if length > kept.len() - at {
            return Err(Error::Malformed {
                what: "run length",
                at: 0,
            });
        }
        if keeping {
            for pixel in &mut kept[at..at + length] {
                if *pixel == 0 {
                    *pixel = marker;
                }
            }
        }
        at += length;
        keeping = !keeping;
    }
    Ok(())
}

/// Exponential Golomb code of `length` with adaptive bits: how many bits follow, in unary, then
/// they, the highest with a context, the rest plain.
fn code_length<C: BitCoder>(bank: &mut Bank, coder: &mut C, kind: usize, length: usize) -> usize {
    let mut ask = |context: usize, coder: &mut C, bit: u32| {
        bank.code(coder, &RUN, &[kind << 8 | context], &[], [0; 3], bit)
    };
    let number = length.wrapping_add(1) as u32;
    let width = 31 - number.max(1).leading_zeros();
    let mut bits = 0;
    while bits < 27 && ask(bits as usize, coder, u32::from(width > bits)) != 0 {
        bits += 1;
    }
    let mut read = 1u32;
    for n in (0..bits).rev() {
        let bit = number >> n & 1;
        let bit = if bits - n <= 2 {
            ask(
                32 + (4 * bits + (bits - n - 1) * 2 + (read & 1)) as usize,
                coder,
                bit,
            )
        } else {
            code_plain(coder, bit, 1)
        };
        read = read << 1 | bit;
    }
    read as usize - 1
}

/// The coder of one channel's values by context, for masks whose positions are already known.
#[derive(Debug)]
pub(crate) struct PlainValues {
    /// Value + 1 last seen in each bin.
    recent: Vec<u16>,
    step: i32,
}

impl PlainValues {
    pub(crate) fn new(bins: usize, step: u8) -> Self {
        PlainValues {
            recent: vec![0; bins],
            step: i32::from(step),
        }
    }

    /// Codes the values of the next frame's kept pixels. `row` holds a nonzero number where a pixel
    /// is kept, value + 1 after; `background` levels in 1/8 dB above the origin, if there are any.
    pub(crate) fn code_frame<C: BitCoder>(
        &mut self,
        bank: &mut Bank,
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
            let time = if weight > 0 {
                Some((sum + weight / 2) / weight)
            } else {
                None
            };
            let ground = background.map(|levels| levels[k] / self.step);
            let guess = match (time, below, ground) {
                (Some(t), Some(b), _) => (t + b + 1) / 2,
                (Some(x), None, _) | (None, Some(x), _) | (None, None, Some(x)) => x,
                _ => 0,
            };
            let difference = |x: Option<i32>| match x {
                Some(x) => ((x - guess).clamp(-3, 3) + 3) as usize,
                None => 7,
            };
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
                &PLAIN_VALUE,
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

//! The uncoded part of a segment, which stands before the entropy coded bytes (Spec §6.2, §6.4.1).

use super::packed::{self, Packed};
use super::seeded::seeded_pixels;
use super::state::State;
use super::LayerBits;
use crate::bytes::{put_varint, Cursor};
use crate::error::{Error, Result};
use crate::header::{Header, MaskKind, ValueCoding};
use crate::memory::Memory;
use crate::symbols::SparseImage;
use alloc::vec::Vec;
use bitvec::order::Lsb0;
use bitvec::slice::BitSlice;

/// What the uncoded part tells of a channel beside the places of its kept pixels; nothing with the ridge mask.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Uncoded<'b> {
    /// Kept pixels, as declared.
    count: Option<usize>,
    /// Their values, if they are not coded by context.
    values: Option<Packed<'b>>,
}

impl Uncoded<'_> {
    /// Fills in the values of kept pixels that are known from here. Whether there are as many pixels as declared.
    pub(super) fn complete(&self, kept: &mut [u16]) -> bool {
        let Some(count) = self.count else {
            return true;
        };
        if kept.iter().filter(|&&q| q != 0).count() != count {
            return false;
        }
        if let Some(values) = &self.values {
            for (n, q) in kept.iter_mut().filter(|q| **q != 0).enumerate() {
                *q = u16::from(values.get(n)) + 1;
            }
        }
        true
    }
}

/// Writes the uncoded part of a channel.
pub(super) fn write(
    header: &Header,
    image: &SparseImage,
    bytes: &mut Vec<u8>,
    bits: &mut LayerBits,
) {
    let start = bytes.len();
    match header.mask {
        MaskKind::Ridge { .. } => return,
        // Spec §6.2.1, §6.2.3
        MaskKind::Seeded { .. } | MaskKind::RunLength => {
            put_varint(bytes, image.values().len() as u64);
        }
        // Spec §6.2.2
        MaskKind::Packed => {
            let mut mask = image.mask().clone();
            mask.set_uninitialized(false);
            bytes.extend_from_slice(mask.as_raw_slice());
        }
    }
    bits.mask += 2048 * (bytes.len() - start) as u64;
    if header.values == ValueCoding::Packed {
        let start = bytes.len();
        packed::write(image.values(), bytes);
        bits.values += 2048 * (bytes.len() - start) as u64;
    }
}

/// The inverse of [`write`]: marks the kept pixels of channel `channel` of segment `index`, as far as they are known.
pub(super) fn read<'b, M: Memory>(
    state: &mut State<M>,
    cursor: &mut Cursor<'b>,
    index: u32,
    channel: usize,
    bits: &mut LayerBits,
) -> Result<Uncoded<'b>> {
    let (mask, values) = (state.header().mask, state.header().values);
    let kept = state.store.kept_mut(channel);
    let pixels = kept.len();
    let start = cursor.at();
    let count = match mask {
        MaskKind::Ridge { .. } => return Ok(Uncoded::default()),
        MaskKind::Seeded { .. } | MaskKind::RunLength => {
            let count = cursor.varint_up_to(pixels as u64, "count of kept pixels")? as usize;
            if let MaskKind::Seeded { seed } = mask {
                seeded_pixels(seed, index, channel, pixels, count)
                    .for_each(|pixel| kept[pixel] = 1);
            }
            count
        }
        MaskKind::Packed => {
            let raw = cursor.take(pixels.div_ceil(8), "packed mask")?;
            let (mask, padding) = BitSlice::<u8, Lsb0>::from_slice(raw).split_at(pixels);
            if padding.any() {
                return Err(Error::Malformed {
                    what: "padding of packed mask",
                    at: start,
                });
            }
            mask.iter_ones().for_each(|pixel| kept[pixel] = 1);
            mask.count_ones()
        }
    };
    bits.mask += 2048 * (cursor.at() - start);
    let start = cursor.at();
    let values = (values == ValueCoding::Packed)
        .then(|| packed::read(cursor, count))
        .transpose()?;
    bits.values += 2048 * (cursor.at() - start);
    Ok(Uncoded {
        count: Some(count),
        values,
    })
}

//! The uncoded part of a segment, which stands before the entropy coded bytes (Spec §6.2, §6.4.1).

use super::channel::Channel;
use super::seeded::seeded_mask;
use super::{packed, LayerBits, SegmentCoder};
use crate::bytes::{put_varint, Cursor};
use crate::error::{Error, Result};
use crate::header::{MaskKind, ValueCoding};
use crate::symbols::SparseImage;
use alloc::vec::Vec;
use bitvec::order::Lsb0;
use bitvec::slice::BitSlice;

/// What the uncoded part tells of a channel.
#[derive(Debug)]
pub(super) struct Uncoded {
    /// Kept pixels, as declared.
    pub(super) count: usize,
    /// Their values, if they are not coded by context.
    pub(super) values: Option<Vec<u8>>,
}

impl SegmentCoder {
    /// Writes the uncoded part of a channel.
    pub(super) fn write_uncoded(
        &self,
        image: &SparseImage,
        bytes: &mut Vec<u8>,
        bits: &mut LayerBits,
    ) {
        let start = bytes.len();
        match self.header.mask {
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
        if self.header.values == ValueCoding::Packed {
            let start = bytes.len();
            packed::write(image.values(), bytes);
            bits.values += 2048 * (bytes.len() - start) as u64;
        }
    }

    /// The inverse of [`SegmentCoder::write_uncoded`]: marks the kept pixels of `channel`, number `number` of segment
    /// `index`, as far as they are known. Nothing is uncoded with the ridge mask.
    pub(super) fn read_uncoded(
        &self,
        cursor: &mut Cursor<'_>,
        index: u32,
        number: usize,
        channel: &mut Channel,
        bits: &mut LayerBits,
    ) -> Result<Option<Uncoded>> {
        let pixels = channel.kept.len();
        let start = cursor.at();
        let malformed = |what| Error::Malformed { what, at: start };
        let count = match self.header.mask {
            MaskKind::Ridge { .. } => return Ok(None),
            MaskKind::Seeded { .. } | MaskKind::RunLength => {
                let count = cursor.varint_up_to(pixels as u64, "count of kept pixels")? as usize;
                if let MaskKind::Seeded { seed } = self.header.mask {
                    let mask = seeded_mask(seed, index, number, pixels, count);
                    mask.iter_ones().for_each(|pixel| channel.kept[pixel] = 1);
                }
                count
            }
            MaskKind::Packed => {
                let raw = cursor.take(pixels.div_ceil(8), "packed mask")?;
                let (mask, padding) = BitSlice::<u8, Lsb0>::from_slice(raw).split_at(pixels);
                if padding.any() {
                    return Err(malformed("padding of packed mask"));
                }
                mask.iter_ones().for_each(|pixel| channel.kept[pixel] = 1);
                mask.count_ones()
            }
        };
        bits.mask += 2048 * (cursor.at() - start);
        let mut values = None;
        if self.header.values == ValueCoding::Packed {
            let start = cursor.at();
            values = Some(packed::read(cursor, count)?);
            bits.values += 2048 * (cursor.at() - start);
        }
        Ok(Some(Uncoded { count, values }))
    }
}

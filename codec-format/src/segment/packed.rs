//! Values in whole bits (Spec §6.4.1).

use crate::bytes::Cursor;
use crate::error::Result;
use alloc::vec::Vec;
use bitvec::field::BitField;
use bitvec::order::Lsb0;
use bitvec::vec::BitVec;

/// Writes `indices` in the fewest whole bits that hold the largest: a byte with that number, then
/// the indices, lowest bit first, the last byte filled up with zeros.
pub(super) fn write(indices: &[u8], bytes: &mut Vec<u8>) {
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

/// Indices as [`write`] wrote them, left where they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packed<'b> {
    /// Bits of an index, 0 to 8.
    width: usize,
    bytes: &'b [u8],
}

/// Finds `count` indices as [`write`] wrote them.
pub(super) fn read<'b>(cursor: &mut Cursor<'b>, count: usize) -> Result<Packed<'b>> {
    let width = cursor.varint_up_to(8, "width of packed values")? as usize;
    let bytes = cursor.take((width * count).div_ceil(8), "packed values")?;
    Ok(Packed { width, bytes })
}

impl Packed<'_> {
    /// Index `n`, one of those that were counted.
    pub(super) fn get(&self, n: usize) -> u8 {
        let bit = n * self.width;
        let byte = |at: usize| u32::from(self.bytes.get(at).copied().unwrap_or(0));
        let two = byte(bit / 8) | byte(bit / 8 + 1) << 8;
        (two >> (bit % 8) & ((1 << self.width) - 1)) as u8
    }
}

//! Values in whole bits (Spec §6.4.1).

use crate::bytes::Cursor;
use crate::error::Result;
use alloc::vec;
use alloc::vec::Vec;
use bitvec::field::BitField;
use bitvec::order::Lsb0;
use bitvec::slice::BitSlice;
use bitvec::vec::BitVec;

/// Writes `indices` in the fewest whole bits that hold the largest: a byte with that number, then
/// the indices, lowest bit first, the last byte filled up with zeros.
pub(crate) fn write(indices: &[u8], bytes: &mut Vec<u8>) {
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

/// Reads `count` indices as [`write`] wrote them.
pub(crate) fn read(cursor: &mut Cursor<'_>, count: usize) -> Result<Vec<u8>> {
    let width = cursor.varint_up_to(8, "width of packed values")? as usize;
    let packed = cursor.take((width * count).div_ceil(8), "packed values")?;
    if width == 0 {
        return Ok(vec![0; count]);
    }
    let bits = BitSlice::<u8, Lsb0>::from_slice(packed);
    let indices = bits.chunks_exact(width).take(count);
    Ok(indices.map(|field| field.load_le::<u8>()).collect())
}

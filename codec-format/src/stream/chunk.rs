//! The grammar shared by streams and model files: signature, then chunks (Spec §3).

use crate::bytes::{put_varint, varint_at};
use crate::error::{Error, Result};
use alloc::vec::Vec;

/// First bytes of a stream: a byte that 7-bit channels lose, three letters, both line ends and the
/// end-of-file mark of old terminals, so that a mangling transfer is caught at once (Spec §3.1).
pub const SIGNATURE: [u8; 8] = *b"\x8bSPR\r\n\x1a\n";
/// First bytes of a model file (Spec §7.1).
pub const MODEL_SIGNATURE: [u8; 8] = *b"\x8bSPM\r\n\x1a\n";

/// Set in the type of chunks a reader may skip.
pub(crate) const ANCILLARY: u8 = 0x80;

/// Chunk types (Spec §3.3).
pub(crate) const HEAD: u8 = 0x01;
pub(crate) const META: u8 = 0x82;
pub(crate) const SEGM: u8 = 0x03;
pub(crate) const SEEK: u8 = 0x84;
pub(crate) const MODL: u8 = 0x85;
pub(crate) const TAIL: u8 = 0x06;
/// Chunk types of model files (Spec §7.2).
pub(crate) const MHDR: u8 = 0x11;
pub(crate) const NODE: u8 = 0x12;
pub(crate) const MMET: u8 = 0x93;
pub(crate) const MEND: u8 = 0x14;

/// Bytes of the CRC that ends a chunk.
const CRC: usize = 4;

/// Name of a chunk type and the section that defines it.
pub(crate) fn describe(kind: u8) -> (&'static str, &'static str) {
    match kind {
        HEAD => ("HEAD", "4"),
        META => ("META", "3.4"),
        SEGM => ("SEGM", "6"),
        SEEK => ("SEEK", "3.5"),
        MODL => ("MODL", "3.6"),
        TAIL => ("TAIL", "3.7"),
        MHDR => ("MHDR", "7.3"),
        NODE => ("NODE", "7.4"),
        MMET => ("MMET", "7.5"),
        MEND => ("MEND", "7.6"),
        _ if kind & ANCILLARY != 0 => ("unknown ancillary", "3.3"),
        _ => ("unknown critical", "3.3"),
    }
}

/// Appends a chunk: type, length of the body, body, CRC-32 of all three (Spec §3.2).
pub(crate) fn put_chunk(bytes: &mut Vec<u8>, kind: u8, body: &[u8]) {
    let start = bytes.len();
    bytes.push(kind);
    put_varint(bytes, body.len() as u64);
    bytes.extend_from_slice(body);
    let crc = crc32fast::hash(&bytes[start..]);
    bytes.extend_from_slice(&crc.to_le_bytes());
}

/// Bytes of a chunk with a body of `body` bytes: what [`put_chunk`] appends.
pub(crate) fn chunk_size(body: usize) -> usize {
    // One varint byte for every seven bits (Spec §3.2).
    let bits = usize::BITS - body.leading_zeros();
    1 + (bits.max(1) as usize).div_ceil(7) + body + CRC
}

/// A chunk as it lies in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkSpan {
    pub(crate) kind: u8,
    /// Where the body begins, counted from the type.
    pub(crate) body: usize,
    /// Bytes of the body.
    pub(crate) length: usize,
}

impl ChunkSpan {
    /// Bytes of the whole chunk.
    pub(crate) fn size(&self) -> usize {
        self.body + self.length + CRC
    }

    /// The body, if the buffer holds the whole chunk.
    pub(crate) fn body_in<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        &bytes[self.body..self.body + self.length]
    }

    /// Whether the CRC of a chunk that lies wholly in `bytes` is right.
    pub(crate) fn is_sound(&self, bytes: &[u8]) -> bool {
        let end = self.body + self.length;
        crc32fast::hash(&bytes[..end]).to_le_bytes() == bytes[end..end + CRC]
    }
}

/// The type and length of the chunk at the start of `bytes`; `None` if they end before both are
/// known. `max` bounds the body by type.
pub(crate) fn span_at(bytes: &[u8], max: impl Fn(u8) -> usize) -> Result<Option<ChunkSpan>> {
    let Some((&kind, rest)) = bytes.split_first() else {
        return Ok(None);
    };
    let found = varint_at(rest, "chunk length").map_err(|error| error.offset_by(1))?;
    let Some((length, digits)) = found else {
        return Ok(None);
    };
    let max = max(kind);
    if length > max as u64 {
        return Err(Error::LimitExceeded {
            what: "chunk length",
            requested: length,
            max: max as u64,
            at: Some(0),
        });
    }
    Ok(Some(ChunkSpan {
        kind,
        body: 1 + digits,
        length: length as usize,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_of_a_chunk_is_guarded() {
        let mut chunk = Vec::new();
        put_chunk(&mut chunk, SEGM, b"twelve bytes");
        assert_eq!(chunk.len(), 1 + 1 + 12 + 4);
        let span = span_at(&chunk, |_| 100).unwrap().unwrap();
        assert!(span.is_sound(&chunk));
        assert_eq!(span.body_in(&chunk), b"twelve bytes");
        for place in 2..chunk.len() {
            let mut damaged = chunk.clone();
            damaged[place] ^= 0x10;
            assert!(!span.is_sound(&damaged), "byte {place}");
        }
        assert!(matches!(
            span_at(&chunk, |_| 11),
            Err(Error::LimitExceeded { max: 11, .. })
        ));
    }
}

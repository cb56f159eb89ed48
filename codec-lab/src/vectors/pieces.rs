//! Streams taken apart and put together again, chunk by chunk (Spec §3.2): for those that no writer writes.

use codec_format::SIGNATURE;

pub(super) const HEAD: u8 = 0x01;
pub(super) const META: u8 = 0x82;
pub(super) const SEGM: u8 = 0x03;
pub(super) const SEEK: u8 = 0x84;
pub(super) const MODL: u8 = 0x85;
pub(super) const TAIL: u8 = 0x06;

/// A chunk's type and body.
pub(super) type Piece = (u8, Vec<u8>);

pub(super) fn chunk(kind: u8, body: &[u8]) -> Piece {
    (kind, body.to_vec())
}

/// The chunks of a sound stream.
pub(super) fn chunks(stream: &[u8]) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut at = SIGNATURE.len();
    while at < stream.len() {
        let kind = stream[at];
        let (mut length, mut shift) = (0usize, 0);
        loop {
            at += 1;
            length |= usize::from(stream[at] & 127) << shift;
            shift += 7;
            if stream[at] < 128 {
                break;
            }
        }
        out.push(chunk(kind, &stream[at + 1..at + 1 + length]));
        at += 1 + length + 4;
    }
    out
}

/// The stream of these chunks, with the signature and right checksums.
pub(super) fn join(pieces: &[Piece]) -> Vec<u8> {
    let mut out = SIGNATURE.to_vec();
    for (kind, body) in pieces {
        let start = out.len();
        out.push(*kind);
        let mut length = body.len();
        while length >= 128 {
            out.push(length as u8 | 128);
            length >>= 7;
        }
        out.push(length as u8);
        out.extend(body);
        let crc = crc32fast::hash(&out[start..]);
        out.extend(crc.to_le_bytes());
    }
    out
}

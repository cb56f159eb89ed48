//! Right checksums around wrong bytes: a fuzzer would never guess a CRC-32.

/// The same bytes with the checksum of every chunk made right, as far as lengths lead from chunk to chunk.
/// Streams and model files share the grammar: 8 bytes of signature, then type, length, body, checksum.
pub fn resign(bytes: &[u8]) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let mut at = 8;
    while at < out.len() {
        // LEB128, lowest seven bits first.
        let (mut length, mut digits) = (0usize, 0);
        loop {
            let Some(&byte) = out.get(at + 1 + digits) else {
                return out;
            };
            if digits == 4 {
                return out;
            }
            length |= usize::from(byte & 0x7f) << (7 * digits);
            digits += 1;
            if byte < 0x80 {
                break;
            }
        }
        let end = at + 1 + digits + length;
        if end + 4 > out.len() {
            return out;
        }
        let crc = crc32fast::hash(&out[at..end]);
        out[end..end + 4].copy_from_slice(&crc.to_le_bytes());
        at = end + 4;
    }
    out
}

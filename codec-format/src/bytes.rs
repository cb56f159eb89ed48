//! Numbers as bytes (Spec §1.2): LEB128 varints, zigzag, and a cursor that reports where it stopped.

use crate::error::{Error, Result};
use alloc::vec::Vec;

/// Appends `value` as LEB128: seven bits a byte, lowest first, the top bit set on all but the last.
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a signed number, its sign in the lowest bit.
pub(crate) fn put_signed(bytes: &mut Vec<u8>, value: i32) {
    put_varint(bytes, u64::from((value << 1 ^ value >> 31) as u32));
}

/// A varint at the start of `bytes`, and its length; `None` if they end inside it, an error if it is
/// not the shortest form or exceeds 64 bits.
pub(crate) fn varint_at(bytes: &[u8], what: &'static str) -> Result<Option<(u64, usize)>> {
    let mut value = 0u64;
    for (n, &byte) in bytes.iter().enumerate().take(10) {
        if n == 9 && byte > 1 || n > 0 && byte == 0 {
            return Err(Error::Malformed { what, at: 0 });
        }
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte < 0x80 {
            return Ok(Some((value, n + 1)));
        }
    }
    Ok(None)
}

/// Reads forward through a slice; offsets in its errors count from the slice's start.
#[derive(Debug)]
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    next: usize,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Cursor { bytes, next: 0 }
    }

    /// Offset of the next byte.
    pub(crate) fn at(&self) -> u64 {
        self.next as u64
    }

    /// What has not been read, left where it is.
    pub(crate) fn peek(&self) -> &'a [u8] {
        &self.bytes[self.next..]
    }

    pub(crate) fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8]> {
        if count > self.bytes.len() - self.next {
            return Err(Error::Truncated {
                what,
                at: self.bytes.len() as u64,
            });
        }
        let taken = &self.bytes[self.next..self.next + count];
        self.next += count;
        Ok(taken)
    }

    pub(crate) fn byte(&mut self, what: &'static str) -> Result<u8> {
        self.take(1, what).map(|bytes| bytes[0])
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N]> {
        let taken = self.take(N, what)?;
        Ok(core::array::from_fn(|n| taken[n]))
    }

    pub(crate) fn varint(&mut self, what: &'static str) -> Result<u64> {
        let at = self.at();
        match varint_at(self.peek(), what).map_err(|error| error.offset_by(at))? {
            Some((value, length)) => {
                self.next += length;
                Ok(value)
            }
            None => Err(Error::Truncated {
                what,
                at: self.bytes.len() as u64,
            }),
        }
    }

    /// A varint no larger than `max`; [`Error::Malformed`] beyond.
    pub(crate) fn varint_up_to(&mut self, max: u64, what: &'static str) -> Result<u64> {
        let at = self.at();
        let value = self.varint(what)?;
        if value > max {
            return Err(Error::Malformed { what, at });
        }
        Ok(value)
    }

    pub(crate) fn signed(&mut self, what: &'static str) -> Result<i32> {
        let raw = self.varint_up_to(u64::from(u32::MAX), what)? as u32;
        Ok((raw >> 1) as i32 ^ -((raw & 1) as i32))
    }

    /// A signed number of 16 bits.
    pub(crate) fn short(&mut self, what: &'static str) -> Result<i16> {
        let at = self.at();
        let value = self.signed(what)?;
        i16::try_from(value).map_err(|_| Error::Malformed { what, at })
    }

    /// Insists that everything has been read.
    pub(crate) fn end(&self, what: &'static str) -> Result<()> {
        if self.next < self.bytes.len() {
            return Err(Error::Malformed {
                what,
                at: self.at(),
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_return() {
        for value in [0, 1, 127, 128, 16000, 1 << 32, u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, value);
            let mut cursor = Cursor::new(&bytes);
            assert_eq!(cursor.varint("x"), Ok(value));
            assert_eq!(cursor.end("x"), Ok(()));
            assert!(matches!(
                Cursor::new(&bytes[..bytes.len() - 1]).varint("x"),
                Err(Error::Truncated { .. })
            ));
        }
        for value in [0, -1, 1, i32::MIN, i32::MAX, -640] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            assert_eq!(Cursor::new(&bytes).signed("x"), Ok(value));
        }
    }

    #[test]
    fn rejects_varints_that_are_too_long() {
        for bytes in [
            &[0x80u8, 0x00][..],
            &[0xff; 10][..],
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2],
        ] {
            assert!(
                matches!(Cursor::new(bytes).varint("x"), Err(Error::Malformed { .. })),
                "{bytes:?}"
            );
        }
    }
}

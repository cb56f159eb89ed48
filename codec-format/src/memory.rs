//! Where buffers come from: the heap, or a block the caller gives.
//!
//! Whatever decodes takes all its buffers when it is built, from a [`Memory`], and none later. So the same code runs on
//! the heap ([`Heap`]) and without one ([`Block`]), and says beforehand how much it will take ([`Count`]).
//!
//! What is built over [`Count`] has buffers without elements: building takes buffers, and only beginning to decode writes
//! into them.

use crate::error::Result;
use crate::limits::check;
use alloc::vec;
use alloc::vec::Vec;
use bytemuck::Pod;
use core::fmt::Debug;
use core::mem::size_of;
use core::ops::DerefMut;

/// Bytes that buffers are rounded up to, so that each begins where any number may.
const GRAIN: usize = size_of::<u64>();

/// Gives out buffers of zeros.
pub trait Memory {
    /// A buffer.
    type Of<T: Pod + Debug>: DerefMut<Target = [T]> + Debug;

    /// The next buffer, of `len` zeros.
    ///
    /// # Errors
    /// [`Error::LimitExceeded`](crate::Error::LimitExceeded) if there is no more memory.
    fn take<T: Pod + Debug>(&mut self, len: usize) -> Result<Self::Of<T>>;
}

/// Bytes that a buffer takes.
fn bytes_of<T>(len: usize) -> u64 {
    (len as u64)
        .saturating_mul(size_of::<T>() as u64)
        .div_ceil(GRAIN as u64)
        .saturating_mul(GRAIN as u64)
}

/// The heap, as far as a limit.
#[derive(Debug, Clone, Copy)]
pub struct Heap {
    taken: u64,
    most: u64,
}

impl Heap {
    /// At most `most` bytes.
    #[must_use]
    pub fn new(most: u64) -> Self {
        Heap { taken: 0, most }
    }
}

impl Memory for Heap {
    type Of<T: Pod + Debug> = Vec<T>;

    fn take<T: Pod + Debug>(&mut self, len: usize) -> Result<Vec<T>> {
        let taken = self.taken.saturating_add(bytes_of::<T>(len));
        check("bytes of memory", taken, self.most)?;
        self.taken = taken;
        Ok(vec![T::zeroed(); len])
    }
}

/// A block that the caller gives, from its beginning on.
#[derive(Debug)]
pub struct Block<'m> {
    rest: &'m mut [u64],
    taken: u64,
    most: u64,
}

impl<'m> Block<'m> {
    /// All of this block; what it holds does not matter.
    #[must_use]
    pub fn new(words: &'m mut [u64]) -> Self {
        Block {
            taken: 0,
            most: (words.len() * GRAIN) as u64,
            rest: words,
        }
    }
}

impl<'m> Memory for Block<'m> {
    type Of<T: Pod + Debug> = &'m mut [T];

    fn take<T: Pod + Debug>(&mut self, len: usize) -> Result<&'m mut [T]> {
        let bytes = bytes_of::<T>(len);
        let taken = self.taken.saturating_add(bytes);
        check("bytes of memory", taken, self.most)?;
        self.taken = taken;
        let rest = core::mem::take(&mut self.rest);
        let (words, rest) = rest.split_at_mut(bytes as usize / GRAIN);
        self.rest = rest;
        words.fill(0);
        Ok(&mut bytemuck::cast_slice_mut(words)[..len])
    }
}

/// No memory at all, only how much would be taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct Count {
    taken: u64,
}

impl Count {
    /// Bytes taken so far.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.taken
    }
}

impl Memory for Count {
    type Of<T: Pod + Debug> = Vec<T>;

    fn take<T: Pod + Debug>(&mut self, len: usize) -> Result<Vec<T>> {
        self.taken = self.taken.saturating_add(bytes_of::<T>(len));
        Ok(Vec::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Error;

    /// Takes a few buffers and returns how many elements they have.
    fn take_some<M: Memory>(memory: &mut M) -> Result<[usize; 3]> {
        let bytes = memory.take::<u8>(13)?;
        let floats = memory.take::<f32>(5)?;
        let words = memory.take::<u64>(2)?;
        assert!(floats.iter().all(|&x| x == 0.0));
        Ok([bytes.len(), floats.len(), words.len()])
    }

    #[test]
    fn what_is_counted_is_just_enough() {
        let mut count = Count::default();
        assert_eq!(take_some(&mut count).unwrap(), [0; 3]);
        assert_eq!(count.bytes(), 16 + 24 + 16);
        assert_eq!(take_some(&mut Heap::new(56)).unwrap(), [13, 5, 2]);
        let mut words = [u64::MAX; 7];
        assert_eq!(take_some(&mut Block::new(&mut words)).unwrap(), [13, 5, 2]);
        let short = Error::LimitExceeded {
            what: "bytes of memory",
            requested: 56,
            max: 48,
            at: None,
        };
        assert_eq!(take_some(&mut Heap::new(48)).unwrap_err(), short);
        assert_eq!(
            take_some(&mut Block::new(&mut words[..6])).unwrap_err(),
            short
        );
    }

    #[test]
    fn no_size_is_too_large_to_be_refused() {
        assert!(Heap::new(u64::MAX - 8).take::<u64>(usize::MAX).is_err());
        assert!(Block::new(&mut []).take::<u64>(usize::MAX).is_err());
        let mut count = Count::default();
        count.take::<u64>(usize::MAX).unwrap();
        count.take::<u64>(usize::MAX).unwrap();
        assert!(count.bytes() > u64::MAX / 2);
    }
}

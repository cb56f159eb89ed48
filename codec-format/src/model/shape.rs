//! Where the pixels of a tensor lie, and how many channels they have (Spec §8.3).

use crate::bytes::Cursor;
use crate::error::Result;
use alloc::vec::Vec;

/// How densely a tensor samples the image: binary logarithms of its steps in bins and coded frames. 0 is the coded
/// grid, 1 every other bin or frame; -2 in frames is four fine frames to each coded one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Of the step in bins: 0 to 6.
    pub bins: i8,
    /// Of the step in coded frames: -3 to 6.
    pub frames: i8,
}

impl Grid {
    /// The coded grid.
    pub const CODED: Grid = Grid { bins: 0, frames: 0 };

    /// Whether both steps are within range (Spec §8.3).
    #[must_use]
    pub fn is_allowed(self) -> bool {
        (0..=6).contains(&self.bins) && (-3..=6).contains(&self.frames)
    }

    /// What `count` for each of this grid's pixels is for each pixel of the coded grid, rounded up.
    #[must_use]
    pub fn per_pixel(self, count: u64) -> u64 {
        let step = self.bins + self.frames;
        if step < 0 {
            count << -step
        } else {
            count.div_ceil(1 << step)
        }
    }

    /// Points of this grid on an axis of `count` points of the coded one: `ceil(count / 2^step)`.
    #[must_use]
    pub fn points(step: i8, count: usize) -> usize {
        if step < 0 {
            count << -step
        } else {
            count.div_ceil(1 << step)
        }
    }
}

/// What a node gives out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shape {
    /// Channels of a pixel.
    pub channels: u16,
    /// Where its pixels lie.
    pub grid: Grid,
    /// Whether some of its pixels may be unobserved.
    pub sparse: bool,
}

/// A pair of whole numbers for the two axes of an image: of a kernel, a stride, a dilation, a factor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Extent {
    /// Along the bins.
    pub bins: u8,
    /// Along the frames.
    pub frames: u8,
}

impl Extent {
    /// One in both directions.
    pub const ONE: Extent = Extent { bins: 1, frames: 1 };

    /// Their product.
    #[must_use]
    pub fn area(self) -> usize {
        usize::from(self.bins) * usize::from(self.frames)
    }

    /// The binary logarithms of both, if both are 1, 2, 4 or 8.
    pub(crate) fn exponents(self) -> Option<(i8, i8)> {
        let log = |x: u8| (matches!(x, 1 | 2 | 4 | 8)).then(|| x.trailing_zeros() as i8);
        Some((log(self.bins)?, log(self.frames)?))
    }

    pub(super) fn write(self, body: &mut Vec<u8>) {
        body.extend_from_slice(&[self.bins, self.frames]);
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, what: &'static str) -> Result<Self> {
        Ok(Extent {
            bins: cursor.byte(what)?,
            frames: cursor.byte(what)?,
        })
    }
}

//! Repetition of pixels (Spec §8.8).

use super::{coarser, single, Operation};
use crate::bytes::Cursor;
use crate::error::Result;
use crate::model::shape::{Extent, Shape};
use crate::model::WeightCoding;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// Every pixel repeated `factor` times along each axis, as far as the finer grid has pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upsample {
    /// Repetitions: 1, 2, 4 or 8.
    pub factor: Extent,
}

impl Upsample {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let factor = Extent::read(cursor, "upsampling factor")?;
        Ok(Upsample { factor })
    }
}

impl Operation for Upsample {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        let grid = coarser(input.grid, self.factor, -1)?;
        Ok(Shape { grid, ..input })
    }

    fn window(&self, frame: i64) -> RangeInclusive<i64> {
        let at = frame.div_euclid(i64::from(self.factor.frames.max(1)));
        at..=at
    }

    fn write(&self, body: &mut Vec<u8>, _: WeightCoding) -> Result<()> {
        self.factor.write(body);
        Ok(())
    }
}

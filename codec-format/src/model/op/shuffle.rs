//! Sub-pixel output: channels made pixels (Spec §8.9).

use super::{coarser, rule, single, Operation};
use crate::bytes::Cursor;
use crate::error::Result;
use crate::model::shape::{Extent, Shape};
use crate::model::WeightCoding;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// Sub-pixel output: channel `(c * factor.bins + b) * factor.frames + f` of a pixel becomes channel `c` of the finer
/// grid's pixel `b` bins and `f` frames on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// Pixels made of each: 1, 2, 4 or 8 along each axis.
    pub factor: Extent,
}

impl Shuffle {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let factor = Extent::read(cursor, "shuffle factor")?;
        Ok(Shuffle { factor })
    }
}

impl Operation for Shuffle {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        let grid = coarser(input.grid, self.factor, -1)?;
        let area = self.factor.area();
        rule(
            usize::from(input.channels) % area == 0,
            "channels that do not divide into pixels",
        )?;
        Ok(Shape {
            channels: input.channels / area as u16,
            grid,
            ..input
        })
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

//! Pooling: rectangles of pixels made one (Spec §8.7).

use super::{coarser, single, unsupported, Operation};
use crate::bytes::Cursor;
use crate::error::Result;
use crate::model::shape::{Extent, Shape};
use crate::model::WeightCoding;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// What becomes of a rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PoolKind {
    /// Their mean.
    Mean,
    /// Their maximum.
    Max,
}

/// Rectangles of `factor` pixels made one, channel by channel. Those at the upper borders have only the pixels there
/// are; unobserved pixels do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// What becomes of a rectangle.
    pub kind: PoolKind,
    /// Its sides: 1, 2, 4 or 8.
    pub factor: Extent,
}

impl Pool {
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        let at = cursor.at();
        let kind = match cursor.byte("pool kind")? {
            0 => PoolKind::Mean,
            1 => PoolKind::Max,
            kind => return Err(unsupported("pool kind", kind, at)),
        };
        let factor = Extent::read(cursor, "pool factor")?;
        Ok(Pool { kind, factor })
    }
}

impl Operation for Pool {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        let grid = coarser(input.grid, self.factor, 1)?;
        Ok(Shape { grid, ..input })
    }

    fn macs(&self, output: &Shape) -> u64 {
        u64::from(output.channels) * self.factor.area() as u64
    }

    fn window(&self, frame: i64) -> RangeInclusive<i64> {
        let factor = i64::from(self.factor.frames);
        frame * factor..=frame * factor + factor - 1
    }

    fn write(&self, body: &mut Vec<u8>, _: WeightCoding) -> Result<()> {
        body.push(match self.kind {
            PoolKind::Mean => 0,
            PoolKind::Max => 1,
        });
        self.factor.write(body);
        Ok(())
    }
}

//! Coarser and finer grids: pooling, repetition, channels made pixels (Spec §8.6).

use super::{rule, single};
use crate::error::Result;
use crate::model::graph::{Extent, Grid, Shape};
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

/// Every pixel repeated `factor` times along each axis, as far as the finer grid has pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upsample {
    /// Repetitions: 1, 2, 4 or 8.
    pub factor: Extent,
}

/// Sub-pixel output: channel `(c * factor.bins + b) * factor.frames + f` of a pixel becomes channel `c` of the finer
/// grid's pixel `b` bins and `f` frames on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shuffle {
    /// Pixels made of each: 1, 2, 4 or 8 along each axis.
    pub factor: Extent,
}

/// The grid coarser (or finer, where `sign` is -1) by `factor`.
fn moved(grid: Grid, factor: Extent, sign: i8) -> Result<Grid> {
    let exponents = factor.exponents();
    rule(exponents.is_some(), "factor other than 1, 2, 4 or 8")?;
    let (bins, frames) = exponents.unwrap_or_default();
    let grid = Grid {
        bins: grid.bins + sign * bins,
        frames: grid.frames + sign * frames,
    };
    rule(grid.is_allowed(), "grid too coarse or too fine")?;
    Ok(grid)
}

impl Pool {
    pub(super) fn shape(self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        let grid = moved(input.grid, self.factor, 1)?;
        Ok(Shape { grid, ..input })
    }

    pub(super) fn macs(self, output: &Shape) -> u64 {
        u64::from(output.channels) * self.factor.area() as u64
    }

    pub(super) fn window(self, frame: i64) -> RangeInclusive<i64> {
        let factor = i64::from(self.factor.frames);
        frame * factor..=frame * factor + factor - 1
    }
}

impl Upsample {
    pub(super) fn shape(self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        let grid = moved(input.grid, self.factor, -1)?;
        Ok(Shape { grid, ..input })
    }

    pub(super) fn window(self, frame: i64) -> RangeInclusive<i64> {
        let at = frame.div_euclid(i64::from(self.factor.frames.max(1)));
        at..=at
    }
}

impl Shuffle {
    pub(super) fn shape(self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        let grid = moved(input.grid, self.factor, -1)?;
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

    pub(super) fn window(self, frame: i64) -> RangeInclusive<i64> {
        let at = frame.div_euclid(i64::from(self.factor.frames.max(1)));
        at..=at
    }
}

//! The operations of a network, one module each: its parameters, their bytes, the shape of its output, its cost, and the
//! frames it reads (Spec §8). How it is computed is `codec-core`'s business, its gradients are the trainer's.
//!
//! A new operation is a module here, a variant of [`Op`] with a number of its own in `operation`, `operation_mut`,
//! `code` and `read`, and a module in each of the two other crates.

pub mod activation;
pub mod combine;
pub mod convolution;
pub mod pool;
pub mod shuffle;
pub mod upsample;

use super::shape::{Extent, Grid, Shape};
use super::{Arithmetic, WeightCoding};
use crate::bytes::Cursor;
use crate::error::{Error, Result};
use crate::limits::{check, Limits};
pub use activation::Activation;
use alloc::vec::Vec;
pub use combine::Combine;
pub use convolution::{Convolution, ConvolutionKind, Numbers, MAX_SHIFT};
use core::ops::RangeInclusive;
pub use pool::{Pool, PoolKind};
pub use shuffle::Shuffle;
pub use upsample::Upsample;

/// One operation of a graph.
#[derive(Debug, Clone, PartialEq)]
pub enum Op {
    /// A convolution, plain or sparse, over one input.
    Convolution(Convolution),
    /// A function of every number alone.
    Activation(Activation),
    /// Several inputs of one grid made one.
    Combine(Combine),
    /// Rectangles of pixels made one pixel.
    Pool(Pool),
    /// Every pixel repeated.
    Upsample(Upsample),
    /// Channels made pixels: sub-pixel output.
    Shuffle(Shuffle),
}

/// What every operation says of itself.
trait Operation {
    /// As [`Op::shape`].
    fn shape(&self, inputs: &[Shape]) -> Result<Shape>;

    /// As [`Op::macs`].
    fn macs(&self, _output: &Shape) -> u64 {
        0
    }

    /// As [`Op::window`].
    fn window(&self, frame: i64) -> RangeInclusive<i64> {
        frame..=frame
    }

    /// As [`Op::arithmetic`].
    fn arithmetic(&self) -> Option<Arithmetic> {
        None
    }

    /// As [`Op::parameters`].
    fn parameters(&self) -> usize {
        self.learned().iter().map(|values| values.len()).sum()
    }

    /// As [`Op::learned`].
    fn learned(&self) -> [&[f32]; 2] {
        [&[], &[]]
    }

    /// As [`Op::learned_mut`].
    fn learned_mut(&mut self) -> [&mut [f32]; 2] {
        [&mut [], &mut []]
    }

    /// Appends the parameters to a NODE chunk's body (Spec §7.4).
    fn write(&self, body: &mut Vec<u8>, coding: WeightCoding) -> Result<()>;
}

impl Op {
    fn operation(&self) -> &dyn Operation {
        match self {
            Op::Convolution(op) => op,
            Op::Activation(op) => op,
            Op::Combine(op) => op,
            Op::Pool(op) => op,
            Op::Upsample(op) => op,
            Op::Shuffle(op) => op,
        }
    }

    fn operation_mut(&mut self) -> &mut dyn Operation {
        match self {
            Op::Convolution(op) => op,
            Op::Activation(op) => op,
            Op::Combine(op) => op,
            Op::Pool(op) => op,
            Op::Upsample(op) => op,
            Op::Shuffle(op) => op,
        }
    }

    /// Its number in a NODE chunk (Spec §7.4).
    pub(super) fn code(&self) -> u8 {
        match self {
            Op::Convolution(_) => 1,
            Op::Activation(_) => 2,
            Op::Combine(_) => 3,
            Op::Pool(_) => 4,
            Op::Upsample(_) => 5,
            Op::Shuffle(_) => 6,
        }
    }

    /// Reads the parameters of the operation of this number, which lies at offset 0.
    pub(super) fn read(code: u8, cursor: &mut Cursor<'_>, budget: &mut Budget<'_>) -> Result<Self> {
        match code {
            1 => Convolution::read(cursor, budget).map(Op::Convolution),
            2 => Activation::read(cursor, budget).map(Op::Activation),
            3 => Combine::read(cursor).map(Op::Combine),
            4 => Pool::read(cursor).map(Op::Pool),
            5 => Upsample::read(cursor).map(Op::Upsample),
            6 => Shuffle::read(cursor).map(Op::Shuffle),
            code => Err(unsupported("operation", code, 0)),
        }
    }

    /// Appends the parameters to a NODE chunk's body.
    pub(super) fn write(&self, body: &mut Vec<u8>, coding: WeightCoding) -> Result<()> {
        self.operation().write(body, coding)
    }

    /// The shape of the output for inputs of these shapes.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the rule of Spec §7.8 that the parameters or the inputs break.
    pub fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        self.operation().shape(inputs)
    }

    /// Multiply-adds for each pixel of an output of this shape.
    #[must_use]
    pub fn macs(&self, output: &Shape) -> u64 {
        self.operation().macs(output)
    }

    /// The kind of its numbers, if it has any.
    #[must_use]
    pub fn arithmetic(&self) -> Option<Arithmetic> {
        self.operation().arithmetic()
    }

    /// All that training changes: weights and biases of a convolution, slopes of an activation; empty slices otherwise,
    /// and where these are whole numbers.
    #[must_use]
    pub fn learned(&self) -> [&[f32]; 2] {
        self.operation().learned()
    }

    /// The same, to be changed.
    #[must_use]
    pub fn learned_mut(&mut self) -> [&mut [f32]; 2] {
        self.operation_mut().learned_mut()
    }

    /// Weights and biases of a convolution, or slopes of an activation, of either kind.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.operation().parameters()
    }

    /// The frames of the inputs' grid that frame `frame` of the output depends on; some may lie outside the image. Both
    /// ends grow with `frame`: that is what lets a network run on a stream.
    #[must_use]
    pub fn window(&self, frame: i64) -> RangeInclusive<i64> {
        self.operation().window(frame)
    }
}

macro_rules! variants {
    ($($name:ident),*) => {
        $(impl From<$name> for Op {
            fn from(op: $name) -> Op {
                Op::$name(op)
            }
        })*
    };
}
variants!(Convolution, Activation, Combine, Pool, Upsample, Shuffle);

/// What a model file may still declare while it is read: weights are counted over all nodes, before any is stored.
pub(super) struct Budget<'a> {
    pub(super) limits: &'a Limits,
    pub(super) weights: u64,
}

impl Budget<'_> {
    /// A count of channels within the limit.
    fn channels(&self, count: u64) -> Result<u16> {
        check("channels", count, u64::from(self.limits.model_channels))?;
        Ok(count as u16)
    }

    fn kernel(&self, kernel: Extent) -> Result<()> {
        let size = u64::from(kernel.bins.max(kernel.frames));
        check("kernel size", size, u64::from(self.limits.model_kernel))
    }

    /// Takes `count` weights.
    fn take(&mut self, count: usize) -> Result<()> {
        self.weights = self.weights.saturating_add(count as u64);
        let max = self.limits.model_weights as u64;
        check("model weights", self.weights, max)
    }
}

/// The only input of an operation that takes one.
fn single(inputs: &[Shape]) -> Result<Shape> {
    match inputs {
        [only] => Ok(*only),
        _ => Err(Error::Usage {
            what: "operation of one input with another number of them",
        }),
    }
}

/// An error unless `holds`.
pub(super) fn rule(holds: bool, what: &'static str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(Error::Usage { what })
    }
}

/// The grid coarser (or finer, where `sign` is -1) by `factor`.
fn coarser(grid: Grid, factor: Extent, sign: i8) -> Result<Grid> {
    let Some((bins, frames)) = factor.exponents() else {
        return Err(Error::Usage {
            what: "stride or factor other than 1, 2, 4 or 8",
        });
    };
    let grid = Grid {
        bins: grid.bins + sign * bins,
        frames: grid.frames + sign * frames,
    };
    rule(grid.is_allowed(), "grid too coarse or too fine")?;
    Ok(grid)
}

pub(super) fn unsupported(what: &'static str, value: u8, at: u64) -> Error {
    Error::Unsupported {
        what,
        value: u64::from(value),
        at,
    }
}

fn put_shorts(body: &mut Vec<u8>, values: &[i16]) {
    for value in values {
        body.extend_from_slice(&value.to_le_bytes());
    }
}

fn shorts(cursor: &mut Cursor<'_>, count: usize, what: &'static str) -> Result<Vec<i16>> {
    let raw = cursor.take(count.saturating_mul(2), what)?;
    Ok(raw
        .chunks_exact(2)
        .map(|b| i16::from_le_bytes([b[0], b[1]]))
        .collect())
}

fn put_floats(body: &mut Vec<u8>, values: &[f32]) {
    for value in values {
        body.extend_from_slice(&value.to_le_bytes());
    }
}

fn floats(cursor: &mut Cursor<'_>, count: usize, what: &'static str) -> Result<Vec<f32>> {
    let raw = cursor.take(count.saturating_mul(4), what)?;
    Ok(raw
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect())
}

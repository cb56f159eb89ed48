//! The operations of a network, one module each: its parameters, the shape of its output, its cost, and the frames it
//! reads (Spec §8). How it is computed is `codec-core`'s business, its gradients are the trainer's.
//!
//! A new operation is a module here, a variant of [`Op`], an arm in each function below, and a module in each of the
//! two other crates.

pub mod activation;
pub mod combine;
pub mod convolution;
pub mod resample;

use super::graph::Shape;
use crate::error::Result;
pub use activation::Activation;
pub use combine::Combine;
pub use convolution::{Convolution, ConvolutionKind};
use core::ops::RangeInclusive;
pub use resample::{Pool, PoolKind, Shuffle, Upsample};

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

impl Op {
    /// The shape of the output for inputs of these shapes.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) naming the rule of Spec §7.8 that the parameters or the inputs break.
    pub fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        match self {
            Op::Convolution(op) => op.shape(inputs),
            Op::Activation(op) => op.shape(inputs),
            Op::Combine(op) => op.shape(inputs),
            Op::Pool(op) => op.shape(inputs),
            Op::Upsample(op) => op.shape(inputs),
            Op::Shuffle(op) => op.shape(inputs),
        }
    }

    /// Multiply-adds for each pixel of an output of this shape.
    #[must_use]
    pub fn macs(&self, output: &Shape) -> u64 {
        match self {
            Op::Convolution(op) => op.macs(),
            Op::Activation(_) | Op::Combine(_) | Op::Upsample(_) | Op::Shuffle(_) => 0,
            Op::Pool(op) => op.macs(output),
        }
    }

    /// Weights, biases and slopes.
    #[must_use]
    pub fn parameters(&self) -> usize {
        match self {
            Op::Convolution(op) => op.weights.len() + op.bias.len(),
            Op::Activation(op) => op.slopes().len(),
            Op::Combine(_) | Op::Pool(_) | Op::Upsample(_) | Op::Shuffle(_) => 0,
        }
    }

    /// The frames of the inputs' grid that frame `frame` of the output depends on; some may lie outside the image. Both
    /// ends grow with `frame`: that is what lets a network run on a stream.
    #[must_use]
    pub fn window(&self, frame: i64) -> RangeInclusive<i64> {
        match self {
            Op::Convolution(op) => op.window(frame),
            Op::Activation(_) | Op::Combine(_) => frame..=frame,
            Op::Pool(op) => op.window(frame),
            Op::Upsample(op) => op.window(frame),
            Op::Shuffle(op) => op.window(frame),
        }
    }
}

/// The only input of an operation that takes one.
fn single(inputs: &[Shape]) -> Result<Shape> {
    match inputs {
        [only] => Ok(*only),
        _ => Err(crate::Error::Usage {
            what: "operation of one input with another number of them",
        }),
    }
}

/// An error unless `holds`.
fn rule(holds: bool, what: &'static str) -> Result<()> {
    if holds {
        Ok(())
    } else {
        Err(crate::Error::Usage { what })
    }
}

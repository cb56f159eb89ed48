//! Convolutions: plain or sparse, with stride, dilation and groups down to depthwise (Spec §8.3).

use super::{rule, single};
use crate::error::Result;
use crate::model::graph::{Extent, Grid, Shape};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

/// How unobserved pixels count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConvolutionKind {
    /// As zeros.
    Plain,
    /// Not at all (Uhrig et al. 2017, eq. 2 and 3): the sum over observed pixels is divided by their number and
    /// multiplied by the kernel's area; then the bias. An output is observed if anything in its window is.
    Sparse,
}

/// A convolution of one input, zero-padded so that without stride the size stays.
///
/// Output pixel `(k, t)` reads the input's pixels `(k * stride.bins + (b - kernel.bins / 2) * dilation.bins,
/// t * stride.frames + (f - kernel.frames / 2) * dilation.frames)`, `b` and `f` counting the kernel's rows and columns.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// How unobserved pixels count.
    pub kind: ConvolutionKind,
    /// Kernel height in bins and width in frames, both odd.
    pub kernel: Extent,
    /// Steps between outputs, in pixels of the input: 1, 2, 4 or 8.
    pub stride: Extent,
    /// Steps between the pixels a kernel reads: 1 to 16.
    pub dilation: Extent,
    /// Groups that inputs and outputs fall into, each output reading only inputs of its own group: 1 for all, as many as
    /// there are inputs for a depthwise convolution. Divides both.
    pub groups: u16,
    /// Channels in.
    pub inputs: u16,
    /// Channels out.
    pub outputs: u16,
    /// `outputs x (inputs / groups) x kernel.bins x kernel.frames`, the last index fastest.
    pub weights: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
}

impl Convolution {
    /// Inputs that one output reads; 0 for a group count of 0.
    #[must_use]
    pub fn group_inputs(&self) -> usize {
        usize::from(self.inputs.checked_div(self.groups).unwrap_or(0))
    }

    /// Weights it must have.
    #[must_use]
    pub fn weight_count(&self) -> usize {
        usize::from(self.outputs) * self.group_inputs() * self.kernel.area()
    }

    pub(super) fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
        let input = single(inputs)?;
        rule(
            self.inputs > 0 && self.outputs > 0,
            "convolution without channels",
        )?;
        rule(
            input.channels == self.inputs,
            "convolution of another number of channels than its input has",
        )?;
        rule(
            self.kernel.bins % 2 == 1 && self.kernel.frames % 2 == 1,
            "kernel of even size",
        )?;
        rule(
            self.groups > 0 && self.inputs % self.groups == 0 && self.outputs % self.groups == 0,
            "groups that do not divide the channels",
        )?;
        let dilated = |x: u8| (1..=16).contains(&x);
        rule(
            dilated(self.dilation.bins) && dilated(self.dilation.frames),
            "dilation out of 1 to 16",
        )?;
        let stride = self.stride.exponents();
        rule(stride.is_some(), "stride other than 1, 2, 4 or 8")?;
        let (bins, frames) = stride.unwrap_or_default();
        let grid = Grid {
            bins: input.grid.bins + bins,
            frames: input.grid.frames + frames,
        };
        rule(grid.is_allowed(), "grid too coarse or too fine")?;
        rule(
            self.weights.len() == self.weight_count(),
            "weights that do not fit the convolution",
        )?;
        rule(
            self.bias.len() == usize::from(self.outputs),
            "biases that do not fit the convolution",
        )?;
        Ok(Shape {
            channels: self.outputs,
            grid,
            sparse: self.kind == ConvolutionKind::Sparse && input.sparse,
        })
    }

    pub(super) fn macs(&self) -> u64 {
        self.weight_count() as u64
    }

    pub(super) fn window(&self, frame: i64) -> RangeInclusive<i64> {
        let half = i64::from(self.kernel.frames / 2) * i64::from(self.dilation.frames);
        let centre = frame * i64::from(self.stride.frames);
        centre - half..=centre + half
    }
}

//! Convolutions: plain or sparse, with stride, dilation and groups down to depthwise (Spec §8.4).

use super::{
    coarser, floats, put_floats, put_shorts, rule, shorts, single, unsupported, Budget, Operation,
};
use crate::bytes::{put_varint, Cursor};
use crate::error::Result;
use crate::model::shape::{Extent, Shape};
use crate::model::{Arithmetic, WeightCoding};
use alloc::vec::Vec;
use core::ops::RangeInclusive;
use half::f16;

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
    /// Weights and biases.
    pub numbers: Numbers,
}

/// The numbers of a convolution. Weights are `outputs x (inputs / groups) x kernel.bins x kernel.frames`, the last index
/// fastest; there is a bias, and a shift, for every output.
#[derive(Debug, Clone, PartialEq)]
pub enum Numbers {
    /// IEEE binary32.
    Real {
        /// The weights.
        weights: Vec<f32>,
        /// The biases.
        bias: Vec<f32>,
    },
    /// Whole numbers: an output is its sum and bias divided by 2 to the shift. No sum overflows 32 bits, whatever the
    /// input is (Spec §7.8).
    Whole {
        /// The weights.
        weights: Vec<i16>,
        /// Binary digits that a sum has behind the point: at most [`MAX_SHIFT`].
        shifts: Vec<u8>,
        /// The biases, in the units of the sums.
        bias: Vec<i32>,
    },
}

/// Most digits behind the point of a whole-number convolution's sums.
pub const MAX_SHIFT: u8 = 24;

impl Numbers {
    /// Whether there are as many as these counts of weights and outputs ask for.
    fn fit(&self, weights: usize, outputs: usize) -> Result<()> {
        let (has, [first, second]) = match self {
            Numbers::Real { weights, bias } => (weights.len(), [bias.len(); 2]),
            Numbers::Whole {
                weights,
                shifts,
                bias,
            } => (weights.len(), [shifts.len(), bias.len()]),
        };
        rule(has == weights, "weights that do not fit the convolution")?;
        rule(
            first == outputs && second == outputs,
            "biases that do not fit the convolution",
        )
    }

    /// Proves that no sum overflows, in whatever order it is built; `each` weights belong to an output (Spec §7.8).
    fn bounded(&self, each: usize) -> Result<()> {
        let Numbers::Whole {
            weights,
            shifts,
            bias,
        } = self
        else {
            return Ok(());
        };
        for ((weights, &shift), &bias) in weights.chunks(each.max(1)).zip(shifts).zip(bias) {
            rule(shift <= MAX_SHIFT, "shift beyond 24")?;
            let sum: u64 = weights.iter().map(|w| u64::from(w.unsigned_abs())).sum();
            let most = sum * 32_768 + u64::from(bias.unsigned_abs()) + half(shift);
            rule(most < 1 << 31, "sum that may overflow")?;
        }
        Ok(())
    }
}

/// What is added before `shift` digits are dropped, so that the nearest number remains.
fn half(shift: u8) -> u64 {
    (1 << shift) >> 1
}

impl Convolution {
    /// A convolution without stride, dilation and groups, its weights and biases zero.
    #[must_use]
    pub fn zeros(kind: ConvolutionKind, inputs: u16, outputs: u16, kernel: Extent) -> Self {
        let mut zeros = Convolution {
            kind,
            kernel,
            stride: Extent::ONE,
            dilation: Extent::ONE,
            groups: 1,
            inputs,
            outputs,
            numbers: NONE,
        };
        zeros.fill(|| 0.0);
        zeros
    }

    /// As many binary32 weights, then biases, as it must have, each of them the next of `numbers`.
    pub fn fill(&mut self, mut numbers: impl FnMut() -> f32) {
        self.numbers = Numbers::Real {
            weights: (0..self.weight_count()).map(|_| numbers()).collect(),
            bias: (0..self.outputs).map(|_| numbers()).collect(),
        };
    }

    /// The weights, where they are binary32; nothing otherwise.
    #[must_use]
    pub fn weights(&self) -> &[f32] {
        self.learned()[0]
    }

    /// The same, to be changed.
    #[must_use]
    pub fn weights_mut(&mut self) -> &mut [f32] {
        let [weights, _] = self.learned_mut();
        weights
    }

    /// The biases, where they are binary32; nothing otherwise.
    #[must_use]
    pub fn bias(&self) -> &[f32] {
        self.learned()[1]
    }

    /// The same, to be changed.
    #[must_use]
    pub fn bias_mut(&mut self) -> &mut [f32] {
        let [_, bias] = self.learned_mut();
        bias
    }

    /// Inputs that one output reads; 0 for a group count of 0.
    #[must_use]
    pub fn group_inputs(&self) -> usize {
        usize::from(self.inputs.checked_div(self.groups).unwrap_or(0))
    }

    /// Outputs of a group; 0 for a group count of 0.
    #[must_use]
    pub fn group_outputs(&self) -> usize {
        usize::from(self.outputs.checked_div(self.groups).unwrap_or(0))
    }

    /// Weights it must have.
    #[must_use]
    pub fn weight_count(&self) -> usize {
        usize::from(self.outputs)
            .saturating_mul(self.group_inputs())
            .saturating_mul(self.kernel.area())
    }

    pub(super) fn read(cursor: &mut Cursor<'_>, budget: &mut Budget<'_>) -> Result<Self> {
        let at = cursor.at();
        let kind = match cursor.byte("convolution kind")? {
            0 => ConvolutionKind::Plain,
            1 => ConvolutionKind::Sparse,
            kind => return Err(unsupported("convolution kind", kind, at)),
        };
        let kernel = Extent::read(cursor, "kernel")?;
        budget.kernel(kernel)?;
        let stride = Extent::read(cursor, "stride")?;
        let dilation = Extent::read(cursor, "dilation")?;
        let mut channels = |what| budget.channels(cursor.varint(what)?);
        let groups = channels("groups")?;
        let inputs = channels("input channels")?;
        let outputs = channels("output channels")?;
        let mut read = Convolution {
            kind,
            kernel,
            stride,
            dilation,
            groups,
            inputs,
            outputs,
            numbers: NONE,
        };
        let total = read.weight_count();
        budget.take(total)?;
        let at = cursor.at();
        let weights = match cursor.byte("weight coding")? {
            coding @ (3 | 4) => {
                read.numbers = whole(cursor, coding == 3, total, usize::from(outputs))?;
                return Ok(read);
            }
            0 => floats(cursor, total, "weights")?,
            1 => cursor
                .take(2 * total, "weights")?
                .chunks_exact(2)
                .map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32())
                .collect(),
            2 => {
                // Each channel: its scale, then its bytes. Checked as a whole before anything is reserved.
                let raw = cursor.take(total + 4 * usize::from(outputs), "weights")?;
                let mut weights = Vec::with_capacity(total);
                for channel in raw.chunks_exact(read.channel_weights() + 4) {
                    let scale =
                        f32::from_le_bytes([channel[0], channel[1], channel[2], channel[3]]);
                    weights.extend(channel[4..].iter().map(|&b| f32::from(b as i8) * scale));
                }
                weights
            }
            coding => return Err(unsupported("weight coding", coding, at)),
        };
        let bias = floats(cursor, usize::from(outputs), "biases")?;
        read.numbers = Numbers::Real { weights, bias };
        Ok(read)
    }

    /// Weights of one output.
    fn channel_weights(&self) -> usize {
        self.group_inputs() * self.kernel.area()
    }
}

impl Operation for Convolution {
    fn shape(&self, inputs: &[Shape]) -> Result<Shape> {
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
        let grid = coarser(input.grid, self.stride, 1)?;
        self.numbers
            .fit(self.weight_count(), usize::from(self.outputs))?;
        self.numbers.bounded(self.channel_weights())?;
        Ok(Shape {
            channels: self.outputs,
            grid,
            sparse: self.kind == ConvolutionKind::Sparse && input.sparse,
        })
    }

    fn macs(&self, _: &Shape) -> u64 {
        self.weight_count() as u64
    }

    fn window(&self, frame: i64) -> RangeInclusive<i64> {
        let half = i64::from(self.kernel.frames / 2) * i64::from(self.dilation.frames);
        let centre = frame * i64::from(self.stride.frames);
        centre - half..=centre + half
    }

    fn arithmetic(&self) -> Option<Arithmetic> {
        Some(match self.numbers {
            Numbers::Real { .. } => Arithmetic::Real,
            Numbers::Whole { .. } => Arithmetic::Whole,
        })
    }

    fn parameters(&self) -> usize {
        match &self.numbers {
            Numbers::Real { weights, bias } => weights.len() + bias.len(),
            Numbers::Whole { weights, bias, .. } => weights.len() + bias.len(),
        }
    }

    fn learned(&self) -> [&[f32]; 2] {
        match &self.numbers {
            Numbers::Real { weights, bias } => [weights, bias],
            Numbers::Whole { .. } => [&[], &[]],
        }
    }

    fn learned_mut(&mut self) -> [&mut [f32]; 2] {
        match &mut self.numbers {
            Numbers::Real { weights, bias } => [weights, bias],
            Numbers::Whole { .. } => [&mut [], &mut []],
        }
    }

    fn write(&self, body: &mut Vec<u8>, coding: WeightCoding) -> Result<()> {
        body.push(match self.kind {
            ConvolutionKind::Plain => 0,
            ConvolutionKind::Sparse => 1,
        });
        for extent in [self.kernel, self.stride, self.dilation] {
            extent.write(body);
        }
        for count in [self.groups, self.inputs, self.outputs] {
            put_varint(body, u64::from(count));
        }
        let (weights, bias) = match &self.numbers {
            Numbers::Real { weights, bias } => (weights, bias),
            Numbers::Whole {
                weights,
                shifts,
                bias,
            } => {
                put_whole(body, weights, shifts, bias);
                return Ok(());
            }
        };
        match coding {
            WeightCoding::F32 => {
                body.push(0);
                put_floats(body, weights);
            }
            WeightCoding::F16 => {
                body.push(1);
                for &weight in weights {
                    let half = f16::from_f32(weight);
                    rule(half.is_finite(), "weight beyond binary16")?;
                    body.extend_from_slice(&half.to_le_bytes());
                }
            }
            WeightCoding::I8 => {
                body.push(2);
                for channel in weights.chunks(self.channel_weights().max(1)) {
                    put_bytes(body, channel)?;
                }
            }
        }
        put_floats(body, bias);
        Ok(())
    }
}

/// No numbers: a convolution that is being built.
const NONE: Numbers = Numbers::Real {
    weights: Vec::new(),
    bias: Vec::new(),
};

/// Whole numbers as they are, in bytes if all weights are bytes.
fn put_whole(body: &mut Vec<u8>, weights: &[i16], shifts: &[u8], bias: &[i32]) {
    if weights.iter().all(|&w| i8::try_from(w).is_ok()) {
        body.push(3);
        body.extend(weights.iter().map(|&w| w as u8));
    } else {
        body.push(4);
        put_shorts(body, weights);
    }
    body.extend_from_slice(shifts);
    for bias in bias {
        body.extend_from_slice(&bias.to_le_bytes());
    }
}

fn whole(cursor: &mut Cursor<'_>, bytes: bool, total: usize, outputs: usize) -> Result<Numbers> {
    let weights = if bytes {
        let raw = cursor.take(total, "weights")?;
        raw.iter().map(|&b| i16::from(b as i8)).collect()
    } else {
        shorts(cursor, total, "weights")?
    };
    let shifts = cursor.take(outputs, "shifts")?.to_vec();
    let raw = cursor.take(4 * outputs, "biases")?;
    let bias = raw
        .chunks_exact(4)
        .map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    Ok(Numbers::Whole {
        weights,
        shifts,
        bias,
    })
}

/// The weights of one output as a scale and signed bytes.
fn put_bytes(body: &mut Vec<u8>, weights: &[f32]) -> Result<()> {
    let peak = weights.iter().fold(0f32, |peak, w| peak.max(w.abs()));
    let scale = peak / 127.0;
    let scale = if scale > 0.0 { scale } else { 1.0 };
    // The largest weight may round to infinity on its way back.
    rule((scale * 127.0).is_finite(), "weight beyond scaled bytes")?;
    put_floats(body, &[scale]);
    for &weight in weights {
        // Halves move away from zero; `as` cuts towards it and saturates.
        let steps = weight / scale;
        let half = if steps < 0.0 { -0.5 } else { 0.5 };
        body.push(((steps + half) as i8).max(-127) as u8);
    }
    Ok(())
}

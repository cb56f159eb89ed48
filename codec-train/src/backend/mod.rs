//! What a device must be able to do for networks to run and train on it.
//!
//! [`crate::graph`] says in which order; a backend does the arithmetic, forward and back: [`cpu::Cpu`] by this crate's
//! own kernels, [`dfdx::Dfdx`] on any device that dfdx knows, CUDA among them. Tensors are images, samples x channels x
//! bins x frames; masks are images of one channel, their numbers from 0 to 1.

pub mod cpu;
pub mod dfdx;
mod extremes;

use crate::error::Result;
use codec_format::model::graph::Extent;
use codec_format::model::op::Convolution;
use std::borrow::Cow;
use std::ops::Range;

/// The size of a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Dims {
    /// Images side by side.
    pub samples: usize,
    /// Channels of an image.
    pub channels: usize,
    /// Bins.
    pub bins: usize,
    /// Frames.
    pub frames: usize,
}

impl Dims {
    /// Pixels of an image.
    #[must_use]
    pub fn pixels(self) -> usize {
        self.bins * self.frames
    }

    /// Numbers.
    #[must_use]
    pub fn numbers(self) -> usize {
        self.samples * self.channels * self.pixels()
    }

    /// The same with other channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        Dims { channels, ..self }
    }
}

/// Along one axis, the pixels that an output reads: of output `i`, `i * stride + k * dilation - before` for `k` below
/// `taps`, as far as there are such.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Pixels read.
    pub taps: usize,
    /// Steps between outputs.
    pub stride: usize,
    /// Steps between the pixels read.
    pub dilation: usize,
    /// Steps from the first pixel read to the output's own.
    pub before: usize,
}

impl Reach {
    /// The pixel that output `out` reads as its `tap`-th, if there is one among `len`.
    #[must_use]
    pub fn pixel(self, out: usize, tap: usize, len: usize) -> Option<usize> {
        (out * self.stride + tap * self.dilation)
            .checked_sub(self.before)
            .filter(|&at| at < len)
    }
}

/// The rectangle that an output reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Along the bins.
    pub bins: Reach,
    /// Along the frames.
    pub frames: Reach,
}

impl Window {
    /// That of a convolution.
    #[must_use]
    pub fn of(op: &Convolution) -> Self {
        let reach = |kernel: u8, stride: u8, dilation: u8| Reach {
            taps: usize::from(kernel),
            stride: usize::from(stride),
            dilation: usize::from(dilation),
            before: usize::from(kernel / 2) * usize::from(dilation),
        };
        Window {
            bins: reach(op.kernel.bins, op.stride.bins, op.dilation.bins),
            frames: reach(op.kernel.frames, op.stride.frames, op.dilation.frames),
        }
    }

    /// Rectangles side by side.
    #[must_use]
    pub fn blocks(factor: Extent) -> Self {
        let reach = |factor: u8| Reach {
            taps: usize::from(factor),
            stride: usize::from(factor),
            dilation: 1,
            before: 0,
        };
        Window {
            bins: reach(factor.bins),
            frames: reach(factor.frames),
        }
    }

    /// Pixels in it.
    #[must_use]
    pub fn area(&self) -> usize {
        self.bins.taps * self.frames.taps
    }
}

/// A convolution's weights and what they read.
#[derive(Debug, Clone, Copy)]
pub struct Filter<'a> {
    /// `outputs x (inputs / groups) x bins x frames`.
    pub weights: &'a [f32],
    /// Channels out.
    pub outputs: usize,
    /// Channels in.
    pub inputs: usize,
    /// Groups of channels.
    pub groups: usize,
    /// The pixels an output reads.
    pub window: Window,
}

impl<'a> Filter<'a> {
    /// That of a convolution.
    #[must_use]
    pub fn of(op: &'a Convolution) -> Self {
        Filter {
            weights: op.weights(),
            outputs: usize::from(op.outputs),
            inputs: usize::from(op.inputs),
            groups: usize::from(op.groups),
            window: Window::of(op),
        }
    }
}

/// Which gradients of a convolution are wanted; those of the weights are empty otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// In the input.
    pub input: bool,
    /// In the weights.
    pub weights: bool,
}

/// How sums become means: `area / max(count, floor)` times the sum, 0 where the count is 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mean {
    /// What a mean is multiplied by.
    pub area: f32,
    /// Counts below this count as this much. Counts of a binary mask are whole numbers, so that any floor up to one
    /// leaves them alone; it bounds the gradient of windows that hold next to nothing.
    pub floor: f32,
}

impl Mean {
    /// The factor of a sum, and its derivative by the count.
    #[must_use]
    pub fn factor(self, count: f32) -> (f32, f32) {
        if count <= 0.0 {
            return (0.0, 0.0);
        }
        let slope = match count > self.floor {
            true => -self.area / (count * count),
            false => 0.0,
        };
        (self.area / count.max(self.floor), slope)
    }
}

/// A device and its arithmetic. Every function that has gradients is followed by that which computes them from `g`, the
/// gradient of a loss in the result; the functions named in both lists of a pair are each other's transpose.
///
/// Errors are those of the device: no memory, or none left.
pub trait Backend {
    /// An image on the device; cloning it copies no numbers.
    type Tensor: Clone + std::fmt::Debug;

    /// Takes numbers, samples x channels x bins x frames, to the device.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    fn upload(&self, numbers: Vec<f32>, dims: Dims) -> Result<Self::Tensor>;
    /// The numbers of a tensor.
    ///
    /// # Errors
    /// [`crate::Error::Device`].
    fn numbers<'a>(&self, x: &'a Self::Tensor) -> Result<Cow<'a, [f32]>>;
    /// The size of a tensor.
    fn dims(&self, x: &Self::Tensor) -> Dims;

    /// Convolves, to images of `out` bins and frames.
    ///
    /// # Errors
    /// [`crate::Error::Device`], as all that follow.
    fn convolve(
        &self,
        x: &Self::Tensor,
        filter: &Filter<'_>,
        bias: Option<&[f32]>,
        out: Dims,
    ) -> Result<Self::Tensor>;
    /// The gradients of [`Backend::convolve`] in the input and in the weights, as far as they are wanted.
    fn convolve_gradients(
        &self,
        x: &Self::Tensor,
        filter: &Filter<'_>,
        g: &Self::Tensor,
        wanted: Wanted,
    ) -> Result<(Option<Self::Tensor>, Vec<f32>)>;
    /// The sum over all pixels of every channel: the gradient of a bias.
    fn totals(&self, g: &Self::Tensor) -> Result<Vec<f32>>;

    /// `x` where it is positive, else its channel's slope times `x`.
    fn activate(&self, x: &Self::Tensor, slopes: &[f32]) -> Result<Self::Tensor>;
    /// The gradients of [`Backend::activate`] in `x` and in the slopes.
    fn activate_gradients(
        &self,
        x: &Self::Tensor,
        slopes: &[f32],
        g: Self::Tensor,
    ) -> Result<(Self::Tensor, Vec<f32>)>;

    /// The sum of two tensors of one size.
    fn add(&self, a: Self::Tensor, b: &Self::Tensor) -> Result<Self::Tensor>;
    /// The channels of all, one after the other.
    fn concatenate(&self, parts: &[&Self::Tensor]) -> Result<Self::Tensor>;
    /// Some channels.
    fn channels(&self, x: &Self::Tensor, range: Range<usize>) -> Result<Self::Tensor>;

    /// Multiplies every channel by `mask`.
    fn gate(&self, x: &Self::Tensor, mask: &Self::Tensor) -> Result<Self::Tensor>;
    /// The gradient of [`Backend::gate`] in the mask: the sum over the channels of `x * g`. (That in `x` is `g` gated.)
    fn gate_gradient(&self, x: &Self::Tensor, g: &Self::Tensor) -> Result<Self::Tensor>;

    /// `sums`, every pixel times the factor of its count, plus the bias of its channel.
    fn mean(
        &self,
        sums: &Self::Tensor,
        counts: &Self::Tensor,
        bias: &[f32],
        mean: Mean,
    ) -> Result<Self::Tensor>;
    /// The gradients of [`Backend::mean`] in the sums and, if `wanted`, in the counts.
    fn mean_gradients(
        &self,
        sums: &Self::Tensor,
        counts: &Self::Tensor,
        g: &Self::Tensor,
        mean: Mean,
        wanted: bool,
    ) -> Result<(Self::Tensor, Option<Self::Tensor>)>;

    /// The sums over windows, channel by channel, to images of `out` bins and frames.
    fn sums(&self, x: &Self::Tensor, window: &Window, out: Dims) -> Result<Self::Tensor>;
    /// The transpose of [`Backend::sums`], to images of `out` bins and frames: every number is added to all the pixels of
    /// its window. For windows side by side that is repetition.
    fn spread(&self, x: &Self::Tensor, window: &Window, out: Dims) -> Result<Self::Tensor>;

    /// Channels made pixels: channel `(c * factor.bins + b) * factor.frames + f` becomes pixel `(b, f)` of the rectangle
    /// that channel `c` of the finer image has for each pixel of this one.
    fn shuffle(&self, x: &Self::Tensor, factor: Extent, out: Dims) -> Result<Self::Tensor>;
    /// The transpose of [`Backend::shuffle`]; zeros for pixels that the finer image does not have.
    fn unshuffle(&self, x: &Self::Tensor, factor: Extent, out: Dims) -> Result<Self::Tensor>;

    /// The maxima over windows, channel by channel, of the pixels whose mask is not 0; 0 where there is none.
    fn maxima(
        &self,
        x: &Self::Tensor,
        mask: Option<&Self::Tensor>,
        window: &Window,
        out: Dims,
    ) -> Result<Self::Tensor> {
        let (numbers, dims) = (self.numbers(x)?, self.dims(x));
        let mask = mask.map(|mask| self.numbers(mask)).transpose()?;
        let found = extremes::places(&numbers, mask.as_deref(), dims, window, out);
        let maxima = found.iter().map(|at| at.map_or(0.0, |at| numbers[at]));
        self.upload(maxima.collect(), out)
    }
    /// The gradient of [`Backend::maxima`] in `x`. Of equal numbers the nearest to the output's own pixel has it all, first
    /// along the frames, then along the bins.
    fn maxima_gradient(
        &self,
        x: &Self::Tensor,
        mask: Option<&Self::Tensor>,
        window: &Window,
        g: &Self::Tensor,
    ) -> Result<Self::Tensor> {
        let (numbers, dims) = (self.numbers(x)?, self.dims(x));
        let mask = mask.map(|mask| self.numbers(mask)).transpose()?;
        let found = extremes::places(&numbers, mask.as_deref(), dims, window, self.dims(g));
        let mut to = vec![0.0; numbers.len()];
        for (at, g) in found.iter().zip(self.numbers(g)?.iter()) {
            if let Some(at) = *at {
                to[at] += g;
            }
        }
        self.upload(to, dims)
    }

    /// The largest of several masks, pixel by pixel.
    fn union(&self, masks: &[&Self::Tensor]) -> Result<Self::Tensor> {
        let dims = self.dims(masks[0]);
        let mut largest = self.numbers(masks[0])?.into_owned();
        for mask in &masks[1..] {
            for (a, b) in largest.iter_mut().zip(self.numbers(mask)?.iter()) {
                *a = a.max(*b);
            }
        }
        self.upload(largest, dims)
    }
    /// The gradients of [`Backend::union`] in each; of equal ones the first has it all.
    fn union_gradients(
        &self,
        masks: &[&Self::Tensor],
        g: &Self::Tensor,
    ) -> Result<Vec<Self::Tensor>> {
        let dims = self.dims(g);
        let mut left = self.numbers(g)?.into_owned();
        let union = self.union(masks)?;
        let union = self.numbers(&union)?;
        masks
            .iter()
            .map(|mask| {
                let mut to = vec![0.0; left.len()];
                let mask = self.numbers(mask)?;
                for (((to, left), m), most) in
                    to.iter_mut().zip(&mut left).zip(&mask[..]).zip(&union[..])
                {
                    if m == most {
                        *to = std::mem::take(left);
                    }
                }
                self.upload(to, dims)
            })
            .collect()
    }
}

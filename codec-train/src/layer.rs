//! One layer of the network as an operation on dfdx's tape: convolutions of all its sources, bias, skip and
//! activation, and their gradients.
//!
//! dfdx keeps the tape and the gradients; the arithmetic is that of [`crate::kernels`], a sample a task.
//! Sums over samples are made in the order of the samples, so the number of threads changes nothing.

use crate::error::Result;
use crate::kernels::{convolve_row, weight_gradient, Kernel, Packed, Padded, Row, Transposed};
use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, Gradients, Tape, Tensor, ZerosTensor};
use rayon::prelude::*;
use std::sync::Arc;

/// Four dimensions known at run time: samples or outputs, channels, bins, frames.
pub type Shape4 = (usize, usize, usize, usize);

/// A batch of images on the tape: samples x channels x bins x frames.
///
/// The numbers are in `data`; `node` is a dfdx tensor of the same shape that gives the batch its name on the
/// tape and in the gradients. Its own storage stays untouched zero pages: the public interface of dfdx hands
/// out a tensor's numbers only as copies, and a copy of every layer's output would cost a tenth of a step.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The name on the tape.
    pub node: Tensor<Shape4, f32, Cpu>,
    /// The numbers.
    pub data: Arc<Vec<f32>>,
}

impl Batch {
    /// A batch of the given shape.
    ///
    /// # Errors
    /// [`crate::Error::Tensor`] if `data` does not have as many numbers as `shape` says.
    pub fn new(device: &Cpu, data: Arc<Vec<f32>>, shape: Shape4) -> Result<Self> {
        if data.len() != shape.0 * shape.1 * shape.2 * shape.3 {
            return Err(dfdx::tensor::CpuError::WrongNumElements.into());
        }
        Ok(Batch {
            node: device.try_zeros_like(&shape)?,
            data,
        })
    }

    /// Samples, channels, bins, frames.
    #[must_use]
    pub fn shape(&self) -> Shape4 {
        *self.node.shape()
    }
}

/// One number a pixel: a mask or a scale. Without an image the number is one everywhere.
#[derive(Debug, Clone, Default)]
pub enum PerPixel {
    /// One everywhere.
    #[default]
    One,
    /// The same image, bins x frames, for every sample.
    Shared(Arc<Vec<f32>>),
    /// An image for every sample: samples x bins x frames.
    Each(Arc<Vec<f32>>),
}

impl PerPixel {
    /// The image for sample `n` of `pixels` pixels; `None` if it is one everywhere.
    #[must_use]
    pub fn of(&self, n: usize, pixels: usize) -> Option<&[f32]> {
        match self {
            PerPixel::One => None,
            PerPixel::Shared(image) => Some(image),
            PerPixel::Each(images) => Some(&images[n * pixels..(n + 1) * pixels]),
        }
    }
}

/// Trainable weights: a dfdx tensor and the numbers in it.
#[derive(Debug, Clone)]
pub struct Weights {
    /// The tensor: outputs x inputs x bins x frames; biases and slopes are `outputs x 1 x 1 x 1`.
    pub tensor: Tensor<Shape4, f32, Cpu>,
}

impl Weights {
    /// A copy of the numbers.
    #[must_use]
    pub fn numbers(&self) -> Vec<f32> {
        let (a, b, c, d) = *self.tensor.shape();
        let mut out = vec![0.0; a * b * c * d];
        self.tensor.copy_into(&mut out);
        out
    }
}

/// One group of channels a layer convolves with weights of its own.
#[derive(Debug, Clone)]
pub struct Part {
    /// What is convolved.
    pub input: Batch,
    /// Whether `input` is data, to which no gradient flows.
    pub constant: bool,
    /// Its weights.
    pub weights: Weights,
    /// Multiplies the input.
    pub mask: PerPixel,
    /// Multiplies the convolution.
    pub scale: PerPixel,
}

/// What follows the sum of the convolutions.
#[derive(Debug, Clone)]
pub enum Nonlinearity {
    /// Nothing.
    Linear,
    /// `max(x, 0)`.
    Relu,
    /// `x` if positive, else slope times `x`.
    Prelu(Weights),
}

/// Everything a layer reads.
#[derive(Debug, Clone)]
pub struct Operands {
    /// Kernel size.
    pub kernel: Kernel,
    /// The groups of channels; at least one.
    pub parts: Vec<Part>,
    /// One number per output channel.
    pub bias: Weights,
    /// Added before the activation.
    pub skip: Option<Batch>,
    /// The activation.
    pub nonlinearity: Nonlinearity,
}

/// Computes a layer and notes on the tape how to take gradients back through it.
///
/// # Errors
/// [`crate::Error::Tensor`] if memory for the result cannot be had.
///
/// # Panics
/// If shapes of the operands disagree; [`crate::network`] builds operands that agree.
pub fn layer<T: Tape<f32, Cpu>>(device: &Cpu, tape: &mut T, operands: Operands) -> Result<Batch> {
    let (samples, _, bins, frames) = operands.parts[0].input.shape();
    let outputs = operands.bias.tensor.shape().0;
    let bias = operands.bias.numbers();
    let slopes = match &operands.nonlinearity {
        Nonlinearity::Prelu(slopes) => slopes.numbers(),
        Nonlinearity::Relu => vec![0.0; outputs],
        Nonlinearity::Linear => vec![1.0; outputs],
    };
    let packed: Vec<Packed> = operands
        .parts
        .iter()
        .map(|p| {
            Packed::forward(
                &p.weights.numbers(),
                outputs,
                p.input.shape().1,
                operands.kernel,
            )
        })
        .collect();
    let (pixels, size) = (bins * frames, outputs * bins * frames);
    let linear = matches!(operands.nonlinearity, Nonlinearity::Linear);
    // The values before the activation are kept only where gradients will ask for them.
    let keep = T::OWNS_TAPE && !linear;
    let mut result = vec![0f32; samples * size];
    let mut sums = vec![0f32; if keep { samples * size } else { 0 }];
    let kept: Vec<&mut [f32]> = if keep {
        sums.chunks_mut(size).collect()
    } else {
        (0..samples).map(|_| Default::default()).collect()
    };
    result
        .par_chunks_mut(size)
        .zip(kept)
        .enumerate()
        .for_each(|(n, (out, kept))| {
            for (c, &b) in bias.iter().enumerate() {
                out[c * pixels..(c + 1) * pixels].fill(b);
            }
            if let Some(skip) = &operands.skip {
                add(out, &skip.data[n * size..(n + 1) * size]);
            }
            let mut row = Row::new(outputs, frames);
            for (part, packed) in operands.parts.iter().zip(&packed) {
                let input = padded_input(part, n, operands.kernel);
                for y in 0..bins {
                    convolve_row(&input, packed, y, &mut row);
                    for c in 0..outputs {
                        let to = &mut out[c * pixels + y * frames..][..frames];
                        match part.scale.of(n, pixels) {
                            None => add(to, row.channel(c)),
                            Some(scale) => {
                                for ((to, x), s) in
                                    to.iter_mut().zip(row.channel(c)).zip(&scale[y * frames..])
                                {
                                    *to += x * s;
                                }
                            }
                        }
                    }
                }
            }
            if keep {
                kept.copy_from_slice(out);
            }
            if !linear {
                for (out, &slope) in out.chunks_exact_mut(pixels).zip(&slopes) {
                    out.iter_mut()
                        .for_each(|x| *x = if *x > 0.0 { *x } else { *x * slope });
                }
            }
        });
    let out = Batch::new(device, Arc::new(result), (samples, outputs, bins, frames))?;
    if T::OWNS_TAPE {
        let node = out.node.clone();
        tape.add_backward_op(move |gradients| {
            let g = std::mem::take(&mut **gradients.get_or_alloc_mut(&node)?);
            backward(&operands, &slopes, &sums, g, gradients)
        });
    }
    Ok(out)
}

/// What one sample adds to the gradients of weights.
struct Contribution {
    weights: Vec<Vec<f32>>,
    bias: Vec<f32>,
    slopes: Vec<f32>,
}

/// Takes the gradient `g` of a layer's result to everything the layer read. `sums` are the values before the
/// activation, empty for a linear layer.
fn backward(
    operands: &Operands,
    slopes: &[f32],
    sums: &[f32],
    mut g: Vec<f32>,
    gradients: &mut Gradients<f32, Cpu>,
) -> std::result::Result<(), dfdx::tensor::CpuError> {
    let (_, _, bins, frames) = operands.parts[0].input.shape();
    let outputs = slopes.len();
    let (pixels, size, kernel) = (bins * frames, outputs * bins * frames, operands.kernel);
    let packed: Vec<Option<Packed>> = operands
        .parts
        .iter()
        .map(|p| {
            let weights =
                || Packed::backward(&p.weights.numbers(), outputs, p.input.shape().1, kernel);
            (!p.constant).then(weights)
        })
        .collect();
    let contributions: Vec<(Contribution, Vec<Vec<f32>>)> = g
        .par_chunks_mut(size)
        .enumerate()
        .map(|(n, g)| {
            let mut sum = Contribution {
                weights: Vec::with_capacity(packed.len()),
                bias: vec![0.0; outputs],
                slopes: vec![0.0; outputs],
            };
            for c in 0..outputs {
                let g = &mut g[c * pixels..(c + 1) * pixels];
                if !sums.is_empty() {
                    let before = &sums[n * size + c * pixels..][..pixels];
                    sum.slopes[c] = activation_gradient(g, before, slopes[c]);
                }
                sum.bias[c] = total(g);
            }
            let mut inputs = Vec::with_capacity(packed.len());
            for (part, packed) in operands.parts.iter().zip(&packed) {
                let scaled = part.scale.of(n, pixels).map(|scale| {
                    let mut g = g.to_vec();
                    g.chunks_exact_mut(pixels).for_each(|g| multiply(g, scale));
                    g
                });
                let g = scaled.as_deref().unwrap_or(g);
                let channels = part.input.shape().1;
                let mut dw = vec![0.0; outputs * channels * kernel.area()];
                let x = padded_input(part, n, kernel);
                weight_gradient(
                    &x,
                    &Transposed::from_image(g, outputs, bins, frames),
                    &mut dw,
                );
                sum.weights.push(dw);
                let mut dx = Vec::new();
                if let Some(packed) = packed {
                    dx = vec![0.0; channels * pixels];
                    let padded = Padded::from_image(g, outputs, bins, frames, kernel);
                    let mut row = Row::new(channels, frames);
                    for y in 0..bins {
                        convolve_row(&padded, packed, y, &mut row);
                        for c in 0..channels {
                            dx[c * pixels + y * frames..][..frames].copy_from_slice(row.channel(c));
                        }
                    }
                    if let Some(mask) = part.mask.of(n, pixels) {
                        dx.chunks_exact_mut(pixels)
                            .for_each(|dx| multiply(dx, mask));
                    }
                }
                inputs.push(dx);
            }
            (sum, inputs)
        })
        .collect();
    if let Some(skip) = &operands.skip {
        add(gradients.get_or_alloc_mut(&skip.node)?, &g);
    }
    for (i, part) in operands.parts.iter().enumerate() {
        let dw = gradients.get_or_alloc_mut(&part.weights.tensor)?;
        contributions
            .iter()
            .for_each(|(sum, _)| add(dw, &sum.weights[i]));
        if !part.constant {
            let (_, channels, ..) = part.input.shape();
            let dx = gradients.get_or_alloc_mut(&part.input.node)?;
            dx.par_chunks_mut(channels * pixels)
                .zip(&contributions)
                .for_each(|(dx, (_, inputs))| add(dx, &inputs[i]));
        }
    }
    let db = gradients.get_or_alloc_mut(&operands.bias.tensor)?;
    contributions.iter().for_each(|(sum, _)| add(db, &sum.bias));
    if let Nonlinearity::Prelu(slopes) = &operands.nonlinearity {
        let ds = gradients.get_or_alloc_mut(&slopes.tensor)?;
        contributions
            .iter()
            .for_each(|(sum, _)| add(ds, &sum.slopes));
    }
    Ok(())
}

fn padded_input(part: &Part, n: usize, kernel: Kernel) -> Padded {
    let (_, channels, bins, frames) = part.input.shape();
    let pixels = bins * frames;
    let size = channels * pixels;
    let x = &part.input.data[n * size..(n + 1) * size];
    let mut padded = Padded::from_image(x, channels, bins, frames, kernel);
    if let Some(mask) = part.mask.of(n, pixels) {
        for c in 0..channels {
            for y in 0..bins {
                multiply(padded.row_mut(c, y), &mask[y * frames..]);
            }
        }
    }
    padded
}

/// Turns the gradient after an activation into that before it; returns the gradient of the slope.
fn activation_gradient(g: &mut [f32], before: &[f32], slope: f32) -> f32 {
    let mut sums = [0f32; 8];
    for (g, x) in g.chunks_mut(8).zip(before.chunks(8)) {
        for ((g, &x), sum) in g.iter_mut().zip(x).zip(&mut sums) {
            let negative = x <= 0.0;
            *sum += if negative { *g * x } else { 0.0 };
            *g *= if negative { slope } else { 1.0 };
        }
    }
    sums.iter().sum()
}

fn total(x: &[f32]) -> f32 {
    let mut sums = [0f32; 8];
    for x in x.chunks(8) {
        for (x, sum) in x.iter().zip(&mut sums) {
            *sum += x;
        }
    }
    sums.iter().sum()
}

fn add(to: &mut [f32], x: &[f32]) {
    for (to, x) in to.iter_mut().zip(x) {
        *to += x;
    }
}

fn multiply(to: &mut [f32], x: &[f32]) {
    for (to, x) in to.iter_mut().zip(x) {
        *to *= x;
    }
}

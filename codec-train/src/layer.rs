//! One layer of the network as an operation on dfdx's tape: convolutions of all its sources, bias, skip and
//! activation, and their gradients.
//!
//! dfdx keeps the tape and the gradients; the arithmetic is that of [`crate::kernels`], a strip of bins of one
//! sample a task. Sums over strips are made in the order of samples and bins, so the number of threads changes
//! nothing.

use crate::buffers;
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

/// Bins of a task: with its surroundings and 16 channels of 64 frames it stays in the second cache.
const STRIP: usize = 32;

/// What a task needs besides its result, kept from one task to the next.
#[derive(Default)]
struct Scratch {
    input: Padded,
    gradient: Padded,
    transposed: Transposed,
    row: Row,
}

/// A strip of one sample: its bins, and their part of every channel of a batch.
struct Strip<'a> {
    sample: usize,
    bins: core::ops::Range<usize>,
    channels: Vec<&'a mut [f32]>,
}

/// Cuts a batch (samples x channels x bins x frames) into strips, in the order of samples and bins.
fn strips(batch: &mut [f32], channels: usize, bins: usize, frames: usize) -> Vec<Strip<'_>> {
    let a_sample = bins.div_ceil(STRIP);
    let mut all = Vec::new();
    for (at, image) in batch.chunks_exact_mut(bins * frames).enumerate() {
        let (sample, channel) = (at / channels, at % channels);
        for (i, part) in image.chunks_mut(STRIP * frames).enumerate() {
            if channel == 0 {
                all.push(Strip {
                    sample,
                    bins: i * STRIP..i * STRIP + part.len() / frames,
                    channels: Vec::with_capacity(channels),
                });
            }
            all[sample * a_sample + i].channels.push(part);
        }
    }
    all
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
            let (numbers, inputs) = (p.weights.numbers(), p.input.shape().1);
            Packed::forward(&numbers, outputs, inputs, operands.kernel)
        })
        .collect();
    let size = outputs * bins * frames;
    let linear = matches!(operands.nonlinearity, Nonlinearity::Linear);
    // The values before the activation are kept where gradients will ask for them; those of a rectifier can
    // be told from its output.
    let keep = T::OWNS_TAPE && matches!(operands.nonlinearity, Nonlinearity::Prelu(_));
    let mut result = buffers::take(samples * size);
    let mut sums = buffers::take(if keep { samples * size } else { 0 });
    let results = strips(&mut result, outputs, bins, frames);
    let kept: Vec<Option<Strip>> = if keep {
        let kept = strips(&mut sums, outputs, bins, frames);
        kept.into_iter().map(Some).collect()
    } else {
        results.iter().map(|_| None).collect()
    };
    results.into_par_iter().zip(kept).for_each_init(
        Scratch::default,
        |scratch, (mut out, kept)| {
            sum_of_parts(&operands, &packed, &bias, &mut out, scratch);
            if let Some(mut kept) = kept {
                for (kept, out) in kept.channels.iter_mut().zip(&out.channels) {
                    kept.copy_from_slice(out);
                }
            }
            if !linear {
                for (out, &slope) in out.channels.iter_mut().zip(&slopes) {
                    out.iter_mut()
                        .for_each(|x| *x = if *x > 0.0 { *x } else { *x * slope });
                }
            }
        },
    );
    let shape = (samples, outputs, bins, frames);
    let out = Batch::new(device, Arc::new(result), shape)?;
    if T::OWNS_TAPE {
        let node = out.node.clone();
        let before = match &operands.nonlinearity {
            Nonlinearity::Linear => None,
            Nonlinearity::Relu => Some(out.data.clone()),
            Nonlinearity::Prelu(_) => Some(Arc::new(sums)),
        };
        tape.add_backward_op(move |gradients| {
            let mut g = std::mem::take(&mut **gradients.get_or_alloc_mut(&node)?);
            let values = before.as_ref().map(|b| b.as_slice());
            backward(&operands, &slopes, values, &mut g, gradients)?;
            buffers::give(g);
            before.into_iter().for_each(buffers::give_shared);
            let inputs = operands.parts.into_iter().map(|p| p.input);
            for read in inputs.chain(operands.skip) {
                buffers::give_shared(read.data);
            }
            Ok(())
        });
    }
    Ok(out)
}

/// Bias, skip and the convolutions of all parts for one strip.
fn sum_of_parts(
    operands: &Operands,
    packed: &[Packed],
    bias: &[f32],
    out: &mut Strip<'_>,
    scratch: &mut Scratch,
) {
    let (_, _, bins, frames) = operands.parts[0].input.shape();
    let (n, pixels, outputs) = (out.sample, bins * frames, bias.len());
    let from = out.bins.start * frames;
    for (c, out) in out.channels.iter_mut().enumerate() {
        match &operands.skip {
            None => out.fill(bias[c]),
            Some(skip) => {
                let skip = &skip.data[(n * outputs + c) * pixels + from..];
                for (out, x) in out.iter_mut().zip(skip) {
                    *out = bias[c] + x;
                }
            }
        }
    }
    for (part, packed) in operands.parts.iter().zip(packed) {
        copy_input(
            part,
            n,
            operands.kernel,
            out.bins.clone(),
            &mut scratch.input,
        );
        let scale = part.scale.of(n, pixels);
        for (y, bin) in out.bins.clone().enumerate() {
            convolve_row(&scratch.input, packed, y, &mut scratch.row);
            for (c, out) in out.channels.iter_mut().enumerate() {
                let to = &mut out[y * frames..(y + 1) * frames];
                let row = scratch.row.channel(c);
                match scale {
                    None => add(to, row),
                    Some(scale) => {
                        for ((to, x), s) in to.iter_mut().zip(row).zip(&scale[bin * frames..]) {
                            *to += x * s;
                        }
                    }
                }
            }
        }
    }
}

/// Takes the gradient `g` of a layer's result to everything the layer read. `before` are the values before the
/// activation, or others of the same signs if its slopes cannot be trained; `None` for a linear layer.
fn backward(
    operands: &Operands,
    slopes: &[f32],
    before: Option<&[f32]>,
    g: &mut [f32],
    gradients: &mut Gradients<f32, Cpu>,
) -> std::result::Result<(), dfdx::tensor::CpuError> {
    let (_, _, bins, frames) = operands.parts[0].input.shape();
    let (outputs, pixels) = (slopes.len(), bins * frames);
    let channel_sums: Vec<(f32, f32)> = g
        .par_chunks_mut(pixels)
        .enumerate()
        .map(|(at, g)| {
            let slope = match before {
                Some(before) => {
                    let before = &before[at * pixels..(at + 1) * pixels];
                    activation_gradient(g, before, slopes[at % outputs])
                }
                None => 0.0,
            };
            (total(g), slope)
        })
        .collect();
    let db = gradients.get_or_alloc_mut(&operands.bias.tensor)?;
    for sums in channel_sums.chunks_exact(outputs) {
        db.iter_mut().zip(sums).for_each(|(db, (b, _))| *db += b);
    }
    if let Nonlinearity::Prelu(slopes) = &operands.nonlinearity {
        let ds = gradients.get_or_alloc_mut(&slopes.tensor)?;
        for sums in channel_sums.chunks_exact(outputs) {
            ds.iter_mut().zip(sums).for_each(|(ds, (_, s))| *ds += s);
        }
    }
    if let Some(skip) = &operands.skip {
        add(gradients.get_or_alloc_mut(&skip.node)?, g);
    }
    for part in &operands.parts {
        // Taken out and put back: dfdx lends one gradient at a time.
        let mut dx = match part.constant {
            true => Vec::new(),
            false => std::mem::take(&mut **gradients.get_or_alloc_mut(&part.input.node)?),
        };
        let contributions = part_gradients(operands.kernel, part, g, outputs, &mut dx);
        if !part.constant {
            **gradients.get_or_alloc_mut(&part.input.node)? = dx;
        }
        let dw = gradients.get_or_alloc_mut(&part.weights.tensor)?;
        contributions.iter().for_each(|sum| add(dw, sum));
    }
    Ok(())
}

/// Adds the gradient of a part's input to `dx`, unless it is constant; returns what every strip adds to that of
/// its weights.
fn part_gradients(
    kernel: Kernel,
    part: &Part,
    g: &[f32],
    outputs: usize,
    dx: &mut [f32],
) -> Vec<Vec<f32>> {
    let (samples, channels, bins, frames) = part.input.shape();
    let (pixels, size) = (bins * frames, outputs * bins * frames);
    let packed = Packed::backward(&part.weights.numbers(), outputs, channels, kernel);
    let tasks: Vec<Strip> = if part.constant {
        let a_sample = (0..bins).step_by(STRIP);
        (0..samples)
            .flat_map(|sample| a_sample.clone().map(move |top| (sample, top)))
            .map(|(sample, top)| Strip {
                sample,
                bins: top..(top + STRIP).min(bins),
                channels: Vec::new(),
            })
            .collect()
    } else {
        strips(dx, channels, bins, frames)
    };
    tasks
        .into_par_iter()
        .map_init(Scratch::default, |scratch, mut to| {
            let n = to.sample;
            let g = &g[n * size..(n + 1) * size];
            let shape = (outputs, bins, frames);
            let gradient = &mut scratch.gradient;
            gradient.copy_strip(g, shape, kernel, to.bins.clone());
            if let Some(scale) = part.scale.of(n, pixels) {
                gradient.multiply(scale, to.bins.start);
            }
            scratch.transposed.copy(gradient);
            copy_input(part, n, kernel, to.bins.clone(), &mut scratch.input);
            let mut dw = vec![0.0; outputs * channels * kernel.area()];
            weight_gradient(&scratch.input, &scratch.transposed, &mut dw);
            if !part.constant {
                let mask = part.mask.of(n, pixels);
                for (y, bin) in to.bins.clone().enumerate() {
                    convolve_row(gradient, &packed, y, &mut scratch.row);
                    for (c, dx) in to.channels.iter_mut().enumerate() {
                        let dx = &mut dx[y * frames..(y + 1) * frames];
                        let row = scratch.row.channel(c);
                        match mask {
                            None => add(dx, row),
                            Some(mask) => {
                                for ((dx, x), m) in
                                    dx.iter_mut().zip(row).zip(&mask[bin * frames..])
                                {
                                    *dx += x * m;
                                }
                            }
                        }
                    }
                }
            }
            dw
        })
        .collect()
}

/// The bins `strip` of sample `n` of a part's input, masked.
fn copy_input(
    part: &Part,
    n: usize,
    kernel: Kernel,
    strip: core::ops::Range<usize>,
    to: &mut Padded,
) {
    let (_, channels, bins, frames) = part.input.shape();
    let size = channels * bins * frames;
    let x = &part.input.data[n * size..(n + 1) * size];
    let top = strip.start;
    to.copy_strip(x, (channels, bins, frames), kernel, strip);
    if let Some(mask) = part.mask.of(n, bins * frames) {
        to.multiply(mask, top);
    }
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

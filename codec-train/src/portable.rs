//! The network by dfdx's own operations alone, for any device dfdx knows: the way to train on CUDA.
//!
//! dfdx has no convolution on a stable compiler. Here an image lies flat, with a border of zeros around every
//! sample, so that a tap of a kernel is a slice at another offset and a convolution is a sum of matrix products
//! `weights of the tap (outputs x inputs) * slice (inputs x positions)`. Positions in the border are computed too
//! and set to zero afterwards. The weights stay with [`Network`], which is small: every step sends them to the
//! device and takes their gradients back, so that optimiser, checkpoints and results are those of the processor.
//!
//! Every intermediate result of a tape stays on the device until the gradients are known: for the thesis'
//! network and crops of 48 frames about five gigabytes for each of [`CHUNK`] samples.

use crate::error::{Error, Result};
use crate::examples::ExampleBatch;
use crate::kernels::Kernel;
use crate::layer::PerPixel;
use crate::loss::Measure;
use crate::network::{kernel_of, normaliser, spread, Inputs, Network, Reads};
use codec_format::model::{Activation, Convolution};
use dfdx::shapes::{Axis, HasShape, Rank0};
use dfdx::tensor::{NoneTape, OwnedTape, PutTape, SplitTape, Tape, Tensor};
use dfdx::tensor_ops::{
    Backward, BroadcastTo, Device, SumTo, TryAdd, TryConcatAlong, TryMatMul, TryMul, TryPReLU,
    TrySub,
};
use std::ops::Range;
use std::sync::Arc;

/// Samples computed together.
pub const CHUNK: usize = 1;

/// Channels x positions.
type Flat<D, T = NoneTape> = Tensor<(usize, usize), f32, D, T>;
/// One number a channel or a position.
type Line<D> = Tensor<(usize,), f32, D>;

/// How the images of a chunk lie in a row of positions.
#[derive(Debug, Clone, Copy)]
struct Grid {
    samples: usize,
    bins: usize,
    frames: usize,
    /// The border: half the largest kernel.
    border: (usize, usize),
}

impl Grid {
    fn width(self) -> usize {
        self.frames + 2 * self.border.1
    }

    /// All positions.
    fn positions(self) -> usize {
        self.samples * (self.bins + 2 * self.border.0) * self.width()
    }

    /// Positions before the first pixel, and behind the last.
    fn margin(self) -> usize {
        self.border.0 * self.width() + self.border.1
    }

    /// Positions from the first pixel to the last: those a layer computes.
    fn computed(self) -> usize {
        self.positions() - 2 * self.margin()
    }

    /// Where pixel 0 of a bin of a sample lies.
    fn row(self, sample: usize, bin: usize) -> usize {
        let rows = self.bins + 2 * self.border.0;
        (sample * rows + bin + self.border.0) * self.width() + self.border.1
    }

    /// Lays out one channel (samples x bins x frames, the samples `stride` numbers apart), zeros in the borders.
    fn lay(self, image: &[f32], stride: usize, to: &mut Vec<f32>) {
        let start = to.len();
        to.resize(start + self.positions(), 0.0);
        for n in 0..self.samples {
            for y in 0..self.bins {
                let from = &image[n * stride + y * self.frames..][..self.frames];
                to[start + self.row(n, y)..][..self.frames].copy_from_slice(from);
            }
        }
    }

    /// One number a pixel, as [`Grid::lay`]; `None` if they are all one.
    fn lay_pixels(self, pixels: &PerPixel) -> Option<Vec<f32>> {
        let mut to = Vec::new();
        match pixels {
            PerPixel::One => return None,
            PerPixel::Shared(image) => self.lay(image, 0, &mut to),
            PerPixel::Each(images) => self.lay(images, self.bins * self.frames, &mut to),
        }
        Some(to)
    }

    /// The part of a layout that a layer computes.
    fn inner(self, mut laid: Vec<f32>) -> Vec<f32> {
        laid.truncate(self.positions() - self.margin());
        laid.drain(..self.margin());
        laid
    }

    /// Where the slice of a tap begins.
    fn offset(self, kernel: Kernel, tap: usize) -> usize {
        let (y, x) = (tap / kernel.frames, tap % kernel.frames);
        self.margin() + y * self.width() + x - (kernel.bins / 2) * self.width() - kernel.frames / 2
    }
}

/// A layer's parameters on the device.
struct Parameters<D: Device<f32>> {
    /// For every group its taps, outputs x inputs each.
    groups: Vec<Vec<Flat<D>>>,
    bias: Line<D>,
    slopes: Option<Line<D>>,
}

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::Device(format!("{error:?}"))
}

/// The loss of a batch, and its gradient for each of the network's parameters in their order.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub fn gradients<D: Device<f32>>(
    device: &D,
    network: &Network,
    batch: &ExampleBatch,
    kind: Measure,
) -> Result<(f32, Vec<Vec<f32>>)> {
    let parameters = upload(device, network)?;
    let (mut total, mut sums): (f64, Vec<Vec<f32>>) = (0.0, Vec::new());
    for chunk in chunks(batch.inputs.samples) {
        let loss: Tensor<Rank0, f32, D, OwnedTape<f32, D>> =
            loss(device, network, &parameters, batch, chunk, kind)?;
        total += f64::from(loss.as_vec()[0]);
        let gradients = loss.try_backward().map_err(failed)?;
        let mut found = Vec::new();
        for (spec, (layer, parameters)) in network
            .skeleton
            .layers
            .iter()
            .zip(network.layers.iter().zip(&parameters))
        {
            let (outputs, area) = (usize::from(spec.outputs), kernel_of(spec).area());
            for (group, taps) in layer.groups.iter().zip(&parameters.groups) {
                let laid: Vec<f32> = taps
                    .iter()
                    .flat_map(|tap| gradients.get(tap).as_vec())
                    .collect();
                found.push(from_taps(&laid, outputs, group.channels.len(), area));
            }
            found.push(gradients.get(&parameters.bias).as_vec());
            if let Some(slopes) = &parameters.slopes {
                found.push(gradients.get(slopes).as_vec());
            }
        }
        if sums.is_empty() {
            sums = found;
        } else {
            for (sum, found) in sums.iter_mut().zip(&found) {
                sum.iter_mut().zip(found).for_each(|(s, f)| *s += f);
            }
        }
    }
    Ok((total as f32, sums))
}

/// The loss of a batch alone.
///
/// # Errors
/// [`Error::Device`] if the device fails.
pub fn value<D: Device<f32>>(
    device: &D,
    network: &Network,
    batch: &ExampleBatch,
    kind: Measure,
) -> Result<f32> {
    let parameters = upload(device, network)?;
    let mut total = 0f64;
    for chunk in chunks(batch.inputs.samples) {
        let loss: Tensor<Rank0, f32, D, NoneTape> =
            loss(device, network, &parameters, batch, chunk, kind)?;
        total += f64::from(loss.as_vec()[0]);
    }
    Ok(total as f32)
}

fn chunks(samples: usize) -> impl Iterator<Item = Range<usize>> {
    (0..samples)
        .step_by(CHUNK)
        .map(move |first| first..(first + CHUNK).min(samples))
}

/// `outputs x inputs x taps` as taps x outputs x inputs.
fn to_taps(weights: &[f32], outputs: usize, inputs: usize, taps: usize) -> Vec<f32> {
    let mut laid = Vec::with_capacity(weights.len());
    for tap in 0..taps {
        for filter in 0..outputs * inputs {
            laid.push(weights[filter * taps + tap]);
        }
    }
    laid
}

/// The way back from [`to_taps`].
fn from_taps(laid: &[f32], outputs: usize, inputs: usize, taps: usize) -> Vec<f32> {
    let mut weights = Vec::with_capacity(laid.len());
    for filter in 0..outputs * inputs {
        for tap in 0..taps {
            weights.push(laid[tap * outputs * inputs + filter]);
        }
    }
    weights
}

fn upload<D: Device<f32>>(device: &D, network: &Network) -> Result<Vec<Parameters<D>>> {
    let line = |numbers: Vec<f32>| -> Result<Line<D>> {
        let shape = (numbers.len(),);
        device.try_tensor_from_vec(numbers, shape).map_err(failed)
    };
    network
        .skeleton
        .layers
        .iter()
        .zip(&network.layers)
        .map(|(spec, layer)| {
            let (outputs, area) = (usize::from(spec.outputs), kernel_of(spec).area());
            let groups = layer
                .groups
                .iter()
                .map(|group| {
                    let inputs = group.channels.len();
                    let laid = to_taps(&group.weights.numbers(), outputs, inputs, area);
                    laid.chunks_exact(outputs * inputs)
                        .map(|tap| {
                            let shape = (outputs, inputs);
                            device
                                .try_tensor_from_vec(tap.to_vec(), shape)
                                .map_err(failed)
                        })
                        .collect::<Result<Vec<_>>>()
                })
                .collect::<Result<_>>()?;
            Ok(Parameters {
                groups,
                bias: line(layer.bias.numbers())?,
                slopes: layer
                    .slopes
                    .as_ref()
                    .map(|s| line(s.numbers()))
                    .transpose()?,
            })
        })
        .collect()
}

/// The samples `chunk` of a batch of inputs.
fn part_of(inputs: &Inputs, chunk: &Range<usize>) -> Inputs {
    let pixels = inputs.bins * inputs.frames;
    let cut =
        |plane: &Arc<Vec<f32>>| Arc::new(plane[chunk.start * pixels..chunk.end * pixels].to_vec());
    Inputs {
        samples: chunk.len(),
        bins: inputs.bins,
        frames: inputs.frames,
        values: cut(&inputs.values),
        image: cut(&inputs.image),
        background: cut(&inputs.background),
        mask: cut(&inputs.mask),
    }
}

/// What the samples `chunk` contribute to the loss of the batch.
fn loss<D: Device<f32>, T: Tape<f32, D>>(
    device: &D,
    network: &Network,
    parameters: &[Parameters<D>],
    batch: &ExampleBatch,
    chunk: Range<usize>,
    kind: Measure,
) -> Result<Tensor<Rank0, f32, D, T>> {
    let inputs = part_of(&batch.inputs, &chunk);
    let (output, grid) = forward::<D, T>(device, network, parameters, &inputs)?;
    let (output, tape) = output.split_tape();
    let channels = output.shape().0;
    let (pixels, size) = (grid.bins * grid.frames, channels * grid.bins * grid.frames);
    let share = 1.0 / batch.target.len() as f32;
    let lay = |numbers: &[f32], factor: f32| -> Result<Flat<D>> {
        let mut laid = Vec::with_capacity(channels * grid.computed());
        for c in 0..channels {
            let mut channel = Vec::new();
            grid.lay(
                &numbers[chunk.start * size + c * pixels..],
                size,
                &mut channel,
            );
            laid.extend(grid.inner(channel).iter().map(|x| factor * x));
        }
        let shape = (channels, grid.computed());
        device.try_tensor_from_vec(laid, shape).map_err(failed)
    };
    let error = output
        .put_tape(tape)
        .try_sub(lay(&batch.target, 1.0)?)
        .map_err(failed)?;
    let error = match kind {
        Measure::WeightedL1 => error.try_abs(),
        Measure::Mse => error.try_square(),
    }
    .map_err(failed)?;
    error
        .try_mul(lay(&batch.weight, share)?)
        .and_then(|weighted| weighted.try_sum::<Rank0, _>())
        .map_err(failed)
}

/// The last layer's output at the computed positions, upsampling x positions.
fn forward<D: Device<f32>, T: Tape<f32, D>>(
    device: &D,
    network: &Network,
    parameters: &[Parameters<D>],
    inputs: &Inputs,
) -> Result<(Flat<D, T>, Grid)> {
    let specs = &network.skeleton.layers;
    let largest = |size: fn(Kernel) -> usize| {
        let halves = specs.iter().map(|spec| size(kernel_of(spec)) / 2);
        halves.max().unwrap_or(0)
    };
    let (n, bins, frames) = (inputs.samples, inputs.bins, inputs.frames);
    let grid = Grid {
        samples: n,
        bins,
        frames,
        border: (largest(|k| k.bins), largest(|k| k.frames)),
    };
    let computed = grid.computed();
    let line = |numbers: Vec<f32>| -> Result<Line<D>> {
        let shape = (numbers.len(),);
        device.try_tensor_from_vec(numbers, shape).map_err(failed)
    };
    let mut all = Vec::new();
    grid.lay(&vec![1.0; bins * frames], 0, &mut all);
    let pixels_alone = line(grid.inner(all))?;
    // Of every layer: output at the computed positions, with the margins, and its mask.
    let mut done: Vec<(Flat<D>, Flat<D>, PerPixel)> = Vec::new();
    let mut tape = T::default();
    for ((spec, layer), parameters) in specs.iter().zip(&network.layers).zip(parameters) {
        let (kernel, outputs) = (kernel_of(spec), usize::from(spec.outputs));
        let shape = (outputs, computed);
        let sparse = spec.convolution == Convolution::Sparse;
        let (mut sum, rest) = parameters
            .bias
            .clone()
            .put_tape(tape)
            .try_broadcast_like::<_, Axis<1>>(&shape)
            .map_err(failed)?
            .split_tape();
        tape = rest;
        if let Some(skip) = spec.skip {
            let skip = done[usize::from(skip)].0.clone();
            (sum, tape) = sum
                .put_tape(tape)
                .try_add(skip)
                .map_err(failed)?
                .split_tape();
        }
        let mut masks = Vec::new();
        for (group, taps) in layer.groups.iter().zip(&parameters.groups) {
            let constant = !matches!(group.from, Reads::Layer(_));
            let (input, mask) = match &group.from {
                Reads::Planes(planes) => {
                    (laid_planes(device, grid, inputs, planes)?, PerPixel::One)
                }
                Reads::Sparse(plane) => (
                    laid_planes(device, grid, inputs, &[*plane])?,
                    PerPixel::Each(inputs.mask.clone()),
                ),
                Reads::Layer(i) => {
                    let (_, input, mask) = &done[*i];
                    let mask = if sparse { mask.clone() } else { PerPixel::One };
                    (input.clone(), mask)
                }
            };
            let mut input = input;
            if let Some(mask) = grid.lay_pixels(&mask) {
                let mask = line(mask)?
                    .try_broadcast_like::<_, Axis<0>>(input.shape())
                    .map_err(failed)?;
                (input, tape) = input
                    .put_tape(tape)
                    .try_mul(mask)
                    .map_err(failed)?
                    .split_tape();
            }
            let mut convolved: Option<Flat<D>> = None;
            for (tap, weights) in taps.iter().enumerate() {
                let from = grid.offset(kernel, tap);
                let mut source = input.clone().put_tape(tape);
                if !constant {
                    // A tensor of its own for every slice: on the processor, dfdx 0.13 sets the gradient of
                    // what was sliced where it should add to it.
                    source = source.try_mul(1.0).map_err(failed)?;
                }
                let (slice, rest) = source
                    .try_slice((0..group.channels.len(), from..from + computed))
                    .map_err(failed)?
                    .split_tape();
                let product = weights
                    .clone()
                    .put_tape(rest)
                    .try_matmul(slice)
                    .map_err(failed)?;
                let added = match convolved {
                    None => product,
                    Some(before) => product.try_add(before).map_err(failed)?,
                };
                let (added, rest) = added.split_tape();
                (convolved, tape) = (Some(added), rest);
            }
            let Some(mut convolved) = convolved else {
                continue;
            };
            if sparse {
                let scale = normaliser(&mask, n, bins, frames, kernel);
                if let Some(scale) = grid.lay_pixels(&scale) {
                    let scale = line(grid.inner(scale))?
                        .try_broadcast_like::<_, Axis<0>>(&shape)
                        .map_err(failed)?;
                    (convolved, tape) = convolved
                        .put_tape(tape)
                        .try_mul(scale)
                        .map_err(failed)?
                        .split_tape();
                }
            }
            (sum, tape) = sum
                .put_tape(tape)
                .try_add(convolved)
                .map_err(failed)?
                .split_tape();
            masks.push(mask);
        }
        (sum, tape) = match (&spec.activation, &parameters.slopes) {
            (Activation::Prelu(_), Some(slopes)) => {
                let (slopes, rest) = slopes
                    .clone()
                    .put_tape(tape)
                    .try_broadcast_like::<_, Axis<1>>(&shape)
                    .map_err(failed)?
                    .split_tape();
                sum.put_tape(rest).try_prelu(slopes)
            }
            (Activation::Relu, _) => sum.put_tape(tape).try_relu(),
            _ => Ok(sum.put_tape(tape)),
        }
        .map_err(failed)?
        .split_tape();
        let alone = pixels_alone
            .clone()
            .try_broadcast_like::<_, Axis<0>>(&shape)
            .map_err(failed)?;
        (sum, tape) = sum
            .put_tape(tape)
            .try_mul(alone)
            .map_err(failed)?
            .split_tape();
        let margin: Flat<D> = device
            .try_zeros_like(&(outputs, grid.margin()))
            .map_err(failed)?;
        let (padded, rest) = (margin.clone().put_tape(tape), sum.clone())
            .try_concat_along(Axis::<1>)
            .and_then(|begun| (begun, margin).try_concat_along(Axis::<1>))
            .map_err(failed)?
            .split_tape();
        tape = rest;
        let observed = if sparse {
            spread(&masks, n, bins, frames, kernel)
        } else {
            PerPixel::One
        };
        done.push((sum, padded, observed));
    }
    match done.pop() {
        Some((output, ..)) => Ok((output.put_tape(tape), grid)),
        None => Err(Error::Network("it has no layers".into())),
    }
}

/// Input planes as channels.
fn laid_planes<D: Device<f32>>(
    device: &D,
    grid: Grid,
    inputs: &Inputs,
    planes: &[codec_format::model::Plane],
) -> Result<Flat<D>> {
    let mut laid = Vec::with_capacity(planes.len() * grid.positions());
    for plane in planes {
        grid.lay(inputs.plane(*plane), grid.bins * grid.frames, &mut laid);
    }
    let shape = (planes.len(), grid.positions());
    device.try_tensor_from_vec(laid, shape).map_err(failed)
}

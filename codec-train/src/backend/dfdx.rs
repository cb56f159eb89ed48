//! Any device that dfdx knows, by dfdx's own operations: the way to train on CUDA.
//!
//! dfdx has no convolution on a stable compiler. Here a tensor is a matrix, positions (sample, bin, frame) x channels,
//! with a row of zeros for what lies outside the image. A convolution gathers the rows that every output reads and is one
//! product of matrices; its gradients are two more. Which rows those are is worked out once for every window and size and
//! stays on the device. Where a maximum lies ([`Backend::maxima`]) is found on the processor.

use super::{Backend, Dims, Filter, Mean, Reach, Wanted, Window};
use crate::error::{Error, Result};
use ::dfdx::shapes::Axis;
use ::dfdx::tensor::{Storage, Tensor};
use ::dfdx::tensor_ops::{
    BroadcastTo, ChooseFrom, Device, GatherTo, PermuteTo, ReshapeTo, SumTo, TryAdd, TryConcatAlong,
    TryGt, TryMatMul, TryMul,
};
use codec_format::model::graph::Extent;
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::HashMap;
use std::ops::Range;

/// A device of dfdx.
#[derive(Debug)]
pub struct Dfdx<D: Device<f32>> {
    device: D,
    rows: RefCell<HashMap<(Lookup, Dims, Dims), Rows<D>>>,
}

impl<D: Device<f32>> Dfdx<D> {
    /// A backend on `device`.
    #[must_use]
    pub fn new(device: D) -> Self {
        Dfdx {
            device,
            rows: RefCell::default(),
        }
    }
}

#[cfg(feature = "cuda")]
impl Dfdx<::dfdx::tensor::Cuda> {
    /// The first CUDA device.
    ///
    /// # Errors
    /// [`Error::Device`] if there is none.
    pub fn cuda() -> Result<Self> {
        let device = ::dfdx::tensor::Cuda::try_build(0, 0)
            .map_err(|e| Error::Device(format!("CUDA device 0: {e:?}")))?;
        Ok(Self::new(device))
    }
}

type Matrix<D> = Tensor<(usize, usize), f32, D>;
type Rows<D> = Tensor<(usize, usize), usize, D>;

/// A tensor on a device.
#[derive(Debug, Clone)]
pub struct Image<D: Storage<f32>> {
    dims: Dims,
    /// Positions x channels.
    matrix: Matrix<D>,
}

/// What rows are looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Lookup {
    /// For every output, the pixels of its window.
    Window(Window),
    /// For every pixel, the outputs whose windows it is in, tap by tap.
    Back(Window),
    /// For every number, that which a shuffle puts there.
    Shuffle(Extent),
    /// And back.
    Unshuffle(Extent),
}

fn failed(error: impl std::fmt::Debug) -> Error {
    Error::Device(format!("{error:?}"))
}

/// The output that reads pixel `at` as its `tap`-th, if there is one among `len`.
fn reader(reach: Reach, at: usize, tap: usize, len: usize) -> Option<usize> {
    let ahead = (at + reach.before).checked_sub(tap * reach.dilation)?;
    (ahead % reach.stride == 0 && ahead / reach.stride < len).then(|| ahead / reach.stride)
}

impl Lookup {
    /// The rows of `from` that those of `to` are made of, the same number for each; the row behind the last for none.
    fn rows(self, from: Dims, to: Dims) -> Vec<usize> {
        let none = match self {
            Lookup::Window(_) | Lookup::Back(_) => from.samples * from.pixels(),
            Lookup::Shuffle(_) | Lookup::Unshuffle(_) => from.numbers(),
        };
        let mut rows = Vec::new();
        let positions = (0..to.samples)
            .flat_map(|n| (0..to.bins).flat_map(move |b| (0..to.frames).map(move |f| (n, b, f))));
        for (n, bin, frame) in positions {
            let row = |bin: usize, frame: usize| (n * from.bins + bin) * from.frames + frame;
            match self {
                Lookup::Window(window) | Lookup::Back(window) => {
                    let find = match self {
                        Lookup::Back(_) => reader,
                        _ => |reach: Reach, at, tap, len| reach.pixel(at, tap, len),
                    };
                    for b in 0..window.bins.taps {
                        let b = find(window.bins, bin, b, from.bins);
                        for f in 0..window.frames.taps {
                            let f = find(window.frames, frame, f, from.frames);
                            rows.push(b.zip(f).map_or(none, |(b, f)| row(b, f)));
                        }
                    }
                }
                Lookup::Shuffle(factor) => {
                    let (fb, ff) = (usize::from(factor.bins), usize::from(factor.frames));
                    rows.extend((0..to.channels).map(|c| {
                        let c = (c * fb + bin % fb) * ff + frame % ff;
                        row(bin / fb, frame / ff) * from.channels + c
                    }));
                }
                Lookup::Unshuffle(factor) => {
                    let (fb, ff) = (usize::from(factor.bins), usize::from(factor.frames));
                    rows.extend((0..to.channels).map(|c| {
                        let (b, f) = (bin * fb + c / ff % fb, frame * ff + c % ff);
                        match b < from.bins && f < from.frames {
                            true => row(b, f) * from.channels + c / ff / fb,
                            false => none,
                        }
                    }));
                }
            }
        }
        rows
    }
}

impl<D: Device<f32>> Dfdx<D> {
    fn matrix(&self, numbers: Vec<f32>, shape: (usize, usize)) -> Result<Matrix<D>> {
        self.device
            .try_tensor_from_vec(numbers, shape)
            .map_err(failed)
    }

    /// One number a row or a column, made a matrix.
    fn line(&self, numbers: Vec<f32>) -> Result<Tensor<(usize,), f32, D>> {
        let shape = (numbers.len(),);
        self.device
            .try_tensor_from_vec(numbers, shape)
            .map_err(failed)
    }

    /// One number for every position, over all channels.
    fn over_channels(&self, numbers: Vec<f32>, shape: (usize, usize)) -> Result<Matrix<D>> {
        self.line(numbers)?
            .try_broadcast_like::<_, Axis<1>>(&shape)
            .map_err(failed)
    }

    /// One number for every channel, over all positions.
    fn over_positions(&self, numbers: &[f32], shape: (usize, usize)) -> Result<Matrix<D>> {
        self.line(numbers.to_vec())?
            .try_broadcast_like::<_, Axis<0>>(&shape)
            .map_err(failed)
    }

    /// For every output, the rows of `x` that `lookup` names, side by side: `count` for each.
    fn gathered(
        &self,
        x: &Matrix<D>,
        columns: usize,
        lookup: Lookup,
        (from, to): (Dims, Dims),
    ) -> Result<Tensor<(usize, usize, usize), f32, D>> {
        let positions = to.samples * to.pixels();
        let key = (lookup, from, to);
        let known = self.rows.borrow().get(&key).cloned();
        let rows = match known {
            Some(rows) => rows,
            None => {
                let rows = lookup.rows(from, to);
                let shape = (positions, rows.len() / positions);
                let rows: Rows<D> = self
                    .device
                    .try_tensor_from_vec(rows, shape)
                    .map_err(failed)?;
                self.rows.borrow_mut().insert(key, rows.clone());
                rows
            }
        };
        let nothing = self.matrix(vec![0.0; columns], (1, columns))?;
        (x.clone(), nothing)
            .try_concat_along(Axis::<0>)
            .map_err(failed)?
            .try_gather(rows)
            .map_err(failed)
    }

    /// As [`Dfdx::gathered`], for the rows of a window, all numbers of an output in one row.
    fn unrolled(&self, x: &Image<D>, lookup: Lookup, taps: usize, to: Dims) -> Result<Matrix<D>> {
        let channels = x.dims.channels;
        // The lookup depends on the grids alone.
        let grids = (x.dims.with_channels(1), to.with_channels(1));
        let shape = (to.samples * to.pixels(), taps * channels);
        self.gathered(&x.matrix, channels, lookup, grids)?
            .try_reshape_like(&shape)
            .map_err(failed)
    }

    /// The sum of the rows of a window.
    fn summed(&self, x: &Image<D>, lookup: Lookup, to: Dims) -> Result<Image<D>> {
        let grids = (x.dims.with_channels(1), to.with_channels(1));
        let matrix = self
            .gathered(&x.matrix, x.dims.channels, lookup, grids)?
            .try_sum::<_, Axis<1>>()
            .map_err(failed)?;
        Ok(Image { dims: to, matrix })
    }

    /// Number by number.
    fn rearranged(&self, x: &Image<D>, lookup: Lookup, to: Dims) -> Result<Image<D>> {
        let flat = x
            .matrix
            .clone()
            .try_reshape_like(&(x.dims.numbers(), 1))
            .map_err(failed)?;
        let matrix = self
            .gathered(&flat, 1, lookup, (x.dims, to))?
            .try_reshape_like(&(to.samples * to.pixels(), to.channels))
            .map_err(failed)?;
        Ok(Image { dims: to, matrix })
    }

    /// The weights as a matrix, (tap, input) x output, zeros between groups; `back`: (tap, output) x input.
    fn weights(&self, filter: &Filter<'_>, back: bool) -> Result<Matrix<D>> {
        let taps = filter.window.area();
        let (rows, columns) = match back {
            true => (filter.outputs, filter.inputs),
            false => (filter.inputs, filter.outputs),
        };
        let mut numbers = vec![0.0; taps * rows * columns];
        each_weight(filter, |at, tap, input, output| {
            let (row, column) = match back {
                true => (output, input),
                false => (input, output),
            };
            numbers[(tap * rows + row) * columns + column] = filter.weights[at];
        });
        self.matrix(numbers, (taps * rows, columns))
    }
}

/// Every weight with its tap, input and output.
fn each_weight(filter: &Filter<'_>, mut visit: impl FnMut(usize, usize, usize, usize)) {
    let (taps, inputs) = (filter.window.area(), filter.inputs / filter.groups);
    let outputs = filter.outputs / filter.groups;
    for o in 0..filter.outputs {
        for i in 0..inputs {
            for tap in 0..taps {
                let at = (o * inputs + i) * taps + tap;
                visit(at, tap, o / outputs * inputs + i, o);
            }
        }
    }
}

/// Positions x channels.
fn shape(dims: Dims) -> (usize, usize) {
    (dims.samples * dims.pixels(), dims.channels)
}

impl<D: Device<f32>> Backend for Dfdx<D> {
    type Tensor = Image<D>;

    fn upload(&self, numbers: Vec<f32>, dims: Dims) -> Result<Image<D>> {
        let (pixels, channels) = (dims.pixels(), dims.channels);
        let matrix = match channels {
            1 => numbers,
            _ => (0..numbers.len())
                .map(|at| {
                    let (position, c) = (at / channels, at % channels);
                    numbers[(position / pixels * channels + c) * pixels + position % pixels]
                })
                .collect(),
        };
        Ok(Image {
            dims,
            matrix: self.matrix(matrix, shape(dims))?,
        })
    }

    fn numbers<'a>(&self, x: &'a Image<D>) -> Result<Cow<'a, [f32]>> {
        let (pixels, channels) = (x.dims.pixels(), x.dims.channels);
        let matrix = x.matrix.as_vec();
        Ok(Cow::Owned(match channels {
            1 => matrix,
            _ => (0..matrix.len())
                .map(|at| {
                    let (image, pixel) = (at / pixels, at % pixels);
                    let position = image / channels * pixels + pixel;
                    matrix[position * channels + image % channels]
                })
                .collect(),
        }))
    }

    fn dims(&self, x: &Image<D>) -> Dims {
        x.dims
    }

    fn convolve(
        &self,
        x: &Image<D>,
        filter: &Filter<'_>,
        bias: Option<&[f32]>,
        out: Dims,
    ) -> Result<Image<D>> {
        let (lookup, taps) = (Lookup::Window(filter.window), filter.window.area());
        let mut matrix = self
            .unrolled(x, lookup, taps, out)?
            .try_matmul(self.weights(filter, false)?)
            .map_err(failed)?;
        if let Some(bias) = bias {
            let bias = self.over_positions(bias, shape(out))?;
            matrix = matrix.try_add(bias).map_err(failed)?;
        }
        Ok(Image { dims: out, matrix })
    }

    fn convolve_gradients(
        &self,
        x: &Image<D>,
        filter: &Filter<'_>,
        g: &Image<D>,
        wanted: Wanted,
    ) -> Result<(Option<Image<D>>, Vec<f32>)> {
        let (window, taps) = (filter.window, filter.window.area());
        let mut weights = Vec::new();
        if wanted.weights {
            let found = self
                .unrolled(x, Lookup::Window(window), taps, g.dims)?
                .try_permute::<_, ::dfdx::shapes::Axes2<1, 0>>()
                .and_then(|x| x.try_matmul(g.matrix.clone()))
                .map_err(failed)?
                .as_vec();
            weights = vec![0.0; filter.weights.len()];
            each_weight(filter, |at, tap, input, output| {
                weights[at] = found[(tap * filter.inputs + input) * filter.outputs + output];
            });
        }
        if !wanted.input {
            return Ok((None, weights));
        }
        let matrix = self
            .unrolled(g, Lookup::Back(window), taps, x.dims)?
            .try_matmul(self.weights(filter, true)?)
            .map_err(failed)?;
        let dims = x.dims;
        Ok((Some(Image { dims, matrix }), weights))
    }

    fn totals(&self, g: &Image<D>) -> Result<Vec<f32>> {
        let sums: Tensor<(usize,), f32, D> =
            g.matrix.clone().try_sum::<_, Axis<0>>().map_err(failed)?;
        Ok(sums.as_vec())
    }

    fn activate(&self, x: &Image<D>, slopes: &[f32]) -> Result<Image<D>> {
        let positive = x.matrix.try_gt(0.0).map_err(failed)?;
        let slopes = self.over_positions(slopes, shape(x.dims))?;
        let below = x.matrix.clone().try_mul(slopes).map_err(failed)?;
        let matrix = positive
            .try_choose(x.matrix.clone(), below)
            .map_err(failed)?;
        Ok(Image { matrix, ..*x })
    }

    fn activate_gradients(
        &self,
        x: &Image<D>,
        slopes: &[f32],
        g: Image<D>,
    ) -> Result<(Image<D>, Vec<f32>)> {
        let positive = x.matrix.try_gt(0.0).map_err(failed)?;
        let shape = shape(x.dims);
        let nothing = self.over_channels(vec![0.0; shape.0], shape)?;
        let product = x.matrix.clone().try_mul(g.matrix.clone()).map_err(failed)?;
        let found = positive
            .clone()
            .try_choose(nothing, product)
            .map_err(failed)?;
        let found: Tensor<(usize,), f32, D> = found.try_sum::<_, Axis<0>>().map_err(failed)?;
        let slopes = self.over_positions(slopes, shape)?;
        let below = g.matrix.clone().try_mul(slopes).map_err(failed)?;
        let matrix = positive.try_choose(g.matrix, below).map_err(failed)?;
        Ok((Image { matrix, ..*x }, found.as_vec()))
    }

    fn add(&self, a: Image<D>, b: &Image<D>) -> Result<Image<D>> {
        let matrix = a.matrix.try_add(b.matrix.clone()).map_err(failed)?;
        Ok(Image { matrix, ..*b })
    }

    fn concatenate(&self, parts: &[&Image<D>]) -> Result<Image<D>> {
        let mut all = parts[0].clone();
        for part in &parts[1..] {
            let channels = all.dims.channels + part.dims.channels;
            let matrix = (all.matrix, part.matrix.clone())
                .try_concat_along(Axis::<1>)
                .map_err(failed)?;
            all = Image {
                dims: all.dims.with_channels(channels),
                matrix,
            };
        }
        Ok(all)
    }

    fn channels(&self, x: &Image<D>, range: Range<usize>) -> Result<Image<D>> {
        let dims = x.dims.with_channels(range.len());
        let matrix = x
            .matrix
            .clone()
            .try_slice((0..shape(dims).0, range))
            .and_then(|part| part.try_reshape_like(&shape(dims)))
            .map_err(failed)?;
        Ok(Image { dims, matrix })
    }

    fn gate(&self, x: &Image<D>, mask: &Image<D>) -> Result<Image<D>> {
        let mask = mask
            .matrix
            .clone()
            .try_reshape_like(&(shape(x.dims).0,))
            .and_then(|line| line.try_broadcast_like::<_, Axis<1>>(&shape(x.dims)))
            .map_err(failed)?;
        let matrix = x.matrix.clone().try_mul(mask).map_err(failed)?;
        Ok(Image { matrix, ..*x })
    }

    fn gate_gradient(&self, x: &Image<D>, g: &Image<D>) -> Result<Image<D>> {
        let dims = x.dims.with_channels(1);
        let product = x.matrix.clone().try_mul(g.matrix.clone()).map_err(failed)?;
        let sums: Tensor<(usize,), f32, D> = product.try_sum::<_, Axis<1>>().map_err(failed)?;
        let matrix = sums.try_reshape_like(&shape(dims)).map_err(failed)?;
        Ok(Image { dims, matrix })
    }

    fn mean(
        &self,
        sums: &Image<D>,
        counts: &Image<D>,
        bias: &[f32],
        mean: Mean,
    ) -> Result<Image<D>> {
        let counts = counts.matrix.as_vec();
        let factors = counts.iter().map(|&n| mean.factor(n).0).collect();
        let shape = shape(sums.dims);
        let matrix = sums
            .matrix
            .clone()
            .try_mul(self.over_channels(factors, shape)?)
            .map_err(failed)?
            .try_add(self.over_positions(bias, shape)?)
            .map_err(failed)?;
        Ok(Image { matrix, ..*sums })
    }

    fn mean_gradients(
        &self,
        sums: &Image<D>,
        counts: &Image<D>,
        g: &Image<D>,
        mean: Mean,
        wanted: bool,
    ) -> Result<(Image<D>, Option<Image<D>>)> {
        let numbers = counts.matrix.as_vec();
        let (factors, slopes): (Vec<f32>, Vec<f32>) =
            numbers.iter().map(|&n| mean.factor(n)).unzip();
        let factors = self.over_channels(factors, shape(g.dims))?;
        let matrix = g.matrix.clone().try_mul(factors).map_err(failed)?;
        let in_sums = Image { matrix, ..*g };
        if !wanted {
            return Ok((in_sums, None));
        }
        let through = self.gate_gradient(sums, g)?;
        let slopes = self.upload(slopes, counts.dims)?;
        Ok((in_sums, Some(self.gate(&through, &slopes)?)))
    }

    fn sums(&self, x: &Image<D>, window: &Window, out: Dims) -> Result<Image<D>> {
        self.summed(x, Lookup::Window(*window), out)
    }

    fn spread(&self, x: &Image<D>, window: &Window, out: Dims) -> Result<Image<D>> {
        self.summed(x, Lookup::Back(*window), out)
    }

    fn shuffle(&self, x: &Image<D>, factor: Extent, out: Dims) -> Result<Image<D>> {
        self.rearranged(x, Lookup::Shuffle(factor), out)
    }

    fn unshuffle(&self, x: &Image<D>, factor: Extent, out: Dims) -> Result<Image<D>> {
        self.rearranged(x, Lookup::Unshuffle(factor), out)
    }
}

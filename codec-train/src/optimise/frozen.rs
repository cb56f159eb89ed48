//! The completion network with its weights frozen, differentiable in what it reads: the kept values and a
//! mask that may take any value from 0 to 1.
//!
//! For a mask of zeros and ones the result is that of the decoder. In between, the sparse convolution is what
//! its definition says with real numbers (Uhrig et al. 2017, eq. 2 and 3): values are multiplied by the mask,
//! sums divided by the sum of the mask, and the mask spreads by max pooling.

use crate::error::{Error, Result};
use crate::kernels::{convolve_row, Kernel, Packed, Padded, Row};
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Plane, Source};
use rayon::prelude::*;

/// Rows of an image that one task computes.
const STRIP: usize = 16;

/// A chain of layers, the first reading the kept values, each other the one before it.
///
/// Images are bins x frames, the frame fastest; activations bins x channels x frames.
#[derive(Debug, Clone)]
pub struct Frozen {
    layers: Vec<FrozenLayer>,
    /// How levels enter and leave.
    pub normalisation: Normalisation,
}

#[derive(Debug, Clone)]
struct FrozenLayer {
    kernel: Kernel,
    inputs: usize,
    outputs: usize,
    sparse: bool,
    forward: Packed,
    backward: Packed,
    bias: Vec<f32>,
    /// Factors of negative sums: one for a linear layer, zero for ReLU.
    slopes: Vec<f32>,
}

/// What the kept values and the mask are over an image.
#[derive(Debug, Clone, Copy)]
pub struct Observed<'a> {
    /// Values in the network's units, bins x frames; where the mask is zero they do not count.
    pub values: &'a [f32],
    /// The mask, 0..=1, bins x frames.
    pub mask: &'a [f32],
    /// Bins.
    pub bins: usize,
    /// Frames.
    pub frames: usize,
    /// Sums of the mask below this count as this much. Sums of a binary mask are whole numbers, so that
    /// any floor up to one leaves them alone; it bounds the gradient of windows that hold next to nothing.
    pub floor: f32,
}

/// What a forward pass leaves for the backward pass.
#[derive(Debug)]
pub struct Trace {
    steps: Vec<Step>,
}

/// A layer's part of a trace.
#[derive(Debug)]
struct Step {
    /// What the layer read, before the mask.
    input: Vec<f32>,
    mask: Option<Vec<f32>>,
    /// Its convolution, before the factor of the sparse convolution and the bias.
    sums: Vec<f32>,
    /// The sums of the mask, of a sparse layer.
    counts: Option<Vec<f32>>,
    /// Where the mask's maxima came from.
    pooled: Option<Pooled>,
}

/// Gradients of a loss in what was observed, both bins x frames.
#[derive(Debug, Clone, PartialEq)]
pub struct Gradient {
    /// In the values (network's units).
    pub values: Vec<f32>,
    /// In the mask.
    pub mask: Vec<f32>,
}

impl Frozen {
    /// The network of a model.
    ///
    /// # Errors
    /// [`Error::Network`] if the model is not a chain from the kept values to one level a pixel, as the
    /// thesis' networks are.
    pub fn new(model: &Model) -> Result<Self> {
        let fail = |what: &str| {
            Err(Error::Network(format!(
                "{what}; masks are optimised by gradient for networks that are a chain of layers from the \
                 kept values alone to the levels"
            )))
        };
        if model.upsampling != 1 || model.residual {
            return fail("the model corrects or refines an image");
        }
        let mut layers = Vec::new();
        let mut channels = 1;
        for (at, spec) in model.layers.iter().enumerate() {
            let expected = match at.checked_sub(1) {
                None => Source::Plane(Plane::Values),
                Some(before) => Source::Layer(before as u8),
            };
            if spec.sources != [expected] || spec.skip.is_some() {
                return fail(&format!("layer {at} reads something else"));
            }
            if usize::from(spec.inputs) != channels {
                return fail(&format!("layer {at} has another number of inputs"));
            }
            channels = usize::from(spec.outputs);
            layers.push(FrozenLayer::new(spec));
        }
        if channels != 1 || layers.is_empty() {
            return fail("the last layer does not have one output");
        }
        Ok(Frozen {
            layers,
            normalisation: model.normalisation,
        })
    }

    /// The levels in the network's units, bins x frames. `parallel` spreads the work over all cores; the
    /// result is the same.
    #[must_use]
    pub fn complete(&self, observed: &Observed<'_>, parallel: bool) -> Vec<f32> {
        self.run(observed, parallel, None)
    }

    /// As [`Frozen::complete`], with what [`Frozen::backward`] needs; on all cores.
    #[must_use]
    pub fn forward(&self, observed: &Observed<'_>) -> (Vec<f32>, Trace) {
        let mut trace = Trace { steps: Vec::new() };
        let out = self.run(observed, true, Some(&mut trace));
        (out, trace)
    }

    fn run(
        &self,
        observed: &Observed<'_>,
        parallel: bool,
        mut trace: Option<&mut Trace>,
    ) -> Vec<f32> {
        let (bins, frames) = (observed.bins, observed.frames);
        let mut x = observed.values.to_vec();
        let mut mask = Some(observed.mask.to_vec());
        let binary = trace.is_none() && observed.mask.iter().all(|&m| m == 0.0 || m == 1.0);
        for (at, layer) in self.layers.iter().enumerate() {
            // A plain convolution of the values sees zeros where there are none; of a layer, everything.
            let hides = layer.sparse || at == 0;
            let input = layer.padded(&x, mask.as_deref().filter(|_| hides), bins, frames);
            let counts = layer.sparse.then(|| match &mask {
                Some(mask) => window_sums(mask, bins, frames, layer.kernel),
                None => window_sums(&vec![1.0; bins * frames], bins, frames, layer.kernel),
            });
            let mut sums = vec![0.0; bins * layer.outputs * frames];
            layer
                .forward_rows()
                .run(&input, &layer.forward, &mut sums, frames, parallel);
            let mut out = if trace.is_some() {
                sums.clone()
            } else {
                std::mem::take(&mut sums)
            };
            layer.activate(&mut out, counts.as_deref(), frames, observed.floor);
            let (mut next, mut pooled) = (None, None);
            if let (Some(mask), true) = (&mask, layer.sparse) {
                if binary {
                    // Of zeros and ones the sums say all.
                    let seen = |&n: &f32| if n > 0.0 { 1.0 } else { 0.0 };
                    next = counts.as_ref().map(|n| n.iter().map(seen).collect());
                } else {
                    let found = Pooled::of(mask, bins, frames, layer.kernel);
                    next = Some(found.values.clone());
                    pooled = Some(found);
                }
                // Where every pixel is observed, nothing is left to spread.
                next = next.filter(|m: &Vec<f32>| trace.is_some() || m.iter().any(|&m| m != 1.0));
            }
            let input = std::mem::replace(&mut x, out);
            let mask = std::mem::replace(&mut mask, next);
            if let Some(trace) = trace.as_deref_mut() {
                trace.steps.push(Step {
                    input,
                    mask: mask.filter(|_| hides),
                    sums,
                    counts,
                    pooled,
                });
            }
        }
        x
    }

    /// Takes the gradient of a loss in the levels (network's units, bins x frames) back to the values and
    /// the mask. `floor` is that of the forward pass.
    ///
    /// # Panics
    /// If `trace` is that of another network or `levels` has another size.
    #[must_use]
    pub fn backward(&self, trace: &Trace, levels: &[f32], frames: usize, floor: f32) -> Gradient {
        let bins = levels.len() / frames;
        let mut g = levels.to_vec();
        // The gradient in the mask after the layer at hand, if anything read it.
        let mut after: Option<Vec<f32>> = None;
        for (layer, step) in self.layers.iter().zip(&trace.steps).rev() {
            let mut dm = vec![0.0; bins * frames];
            layer.gradient_of_sums(&mut g, step, frames, floor, &mut dm);
            if layer.sparse {
                dm = window_sums(&dm, bins, frames, layer.kernel);
            }
            let padded = {
                let mut p = Padded::zeros(layer.outputs, bins, frames, layer.kernel);
                for y in 0..bins {
                    for c in 0..layer.outputs {
                        p.row_mut(c, y)
                            .copy_from_slice(&g[(y * layer.outputs + c) * frames..][..frames]);
                    }
                }
                p
            };
            let mut dx = vec![0.0; bins * layer.inputs * frames];
            layer
                .backward_rows()
                .run(&padded, &layer.backward, &mut dx, frames, true);
            if let Some(mask) = &step.mask {
                for y in 0..bins {
                    let m = &mask[y * frames..][..frames];
                    let dm = &mut dm[y * frames..][..frames];
                    for c in 0..layer.inputs {
                        let at = (y * layer.inputs + c) * frames;
                        let (dx, x) = (&mut dx[at..][..frames], &step.input[at..][..frames]);
                        for (((dx, x), m), dm) in dx.iter_mut().zip(x).zip(m).zip(&mut *dm) {
                            *dm += *dx * x;
                            *dx *= m;
                        }
                    }
                }
            }
            if let (Some(pooled), Some(after)) = (&step.pooled, &after) {
                pooled.gradient(after, frames, &mut dm);
            }
            g = dx;
            after = step.mask.is_some().then_some(dm);
        }
        Gradient {
            values: g,
            mask: after.unwrap_or_else(|| vec![0.0; bins * frames]),
        }
    }
}

impl FrozenLayer {
    fn new(spec: &Layer) -> Self {
        let kernel = Kernel {
            bins: usize::from(spec.kernel_bins),
            frames: usize::from(spec.kernel_frames),
        };
        let (inputs, outputs) = (usize::from(spec.inputs), usize::from(spec.outputs));
        FrozenLayer {
            kernel,
            inputs,
            outputs,
            sparse: spec.convolution == Convolution::Sparse,
            forward: Packed::forward(&spec.weights, outputs, inputs, kernel),
            backward: Packed::backward(&spec.weights, outputs, inputs, kernel),
            bias: spec.bias.clone(),
            slopes: match &spec.activation {
                Activation::Linear => vec![1.0; outputs],
                Activation::Relu => vec![0.0; outputs],
                Activation::Prelu(slopes) => slopes.clone(),
            },
        }
    }

    fn forward_rows(&self) -> Rows {
        Rows {
            channels: self.outputs,
        }
    }

    fn backward_rows(&self) -> Rows {
        Rows {
            channels: self.inputs,
        }
    }

    /// The input, times the mask where one is given, with the border the kernel needs.
    fn padded(&self, x: &[f32], mask: Option<&[f32]>, bins: usize, frames: usize) -> Padded {
        let mut padded = Padded::zeros(self.inputs, bins, frames, self.kernel);
        for y in 0..bins {
            for c in 0..self.inputs {
                let row = padded.row_mut(c, y);
                row.copy_from_slice(&x[(y * self.inputs + c) * frames..][..frames]);
                if let Some(mask) = mask {
                    row.iter_mut()
                        .zip(&mask[y * frames..])
                        .for_each(|(x, m)| *x *= m);
                }
            }
        }
        padded
    }

    /// The factor of the sparse convolution: the kernel's area over the sum of the mask.
    fn factor(&self, count: f32, floor: f32) -> f32 {
        if count > 0.0 {
            self.kernel.area() as f32 / count.max(floor)
        } else {
            0.0
        }
    }

    /// Factor, bias and activation.
    fn activate(&self, sums: &mut [f32], counts: Option<&[f32]>, frames: usize, floor: f32) {
        let mut factors = vec![1.0; frames];
        for (y, row) in sums.chunks_exact_mut(self.outputs * frames).enumerate() {
            if let Some(counts) = counts {
                for (f, &n) in factors.iter_mut().zip(&counts[y * frames..]) {
                    *f = self.factor(n, floor);
                }
            }
            for ((row, &b), &slope) in row
                .chunks_exact_mut(frames)
                .zip(&self.bias)
                .zip(&self.slopes)
            {
                for (x, f) in row.iter_mut().zip(&factors) {
                    let v = *x * f + b;
                    *x = if v > 0.0 { v } else { v * slope };
                }
            }
        }
    }

    /// Turns the gradient in the layer's output into that in its convolution, and adds the gradient in the
    /// mask's sums to `dn` (bins x frames).
    fn gradient_of_sums(
        &self,
        g: &mut [f32],
        step: &Step,
        frames: usize,
        floor: f32,
        dn: &mut [f32],
    ) {
        let area = self.kernel.area() as f32;
        let width = self.outputs * frames;
        for (y, g) in g.chunks_exact_mut(width).enumerate() {
            let sums = &step.sums[y * width..][..width];
            for t in 0..frames {
                let count = step.counts.as_ref().map(|n| n[y * frames + t]);
                let factor = count.map_or(1.0, |n| self.factor(n, floor));
                let mut through = 0.0;
                for c in 0..self.outputs {
                    let at = c * frames + t;
                    if sums[at] * factor + self.bias[c] <= 0.0 {
                        g[at] *= self.slopes[c];
                    }
                    through += g[at] * sums[at];
                    g[at] *= factor;
                }
                if let Some(n) = count.filter(|&n| n > floor) {
                    dn[y * frames + t] -= through * area / (n * n);
                }
            }
        }
    }
}

/// Rows of a convolution's output, side by side on all cores if wanted.
struct Rows {
    channels: usize,
}

impl Rows {
    fn run(
        &self,
        input: &Padded,
        weights: &Packed,
        out: &mut [f32],
        frames: usize,
        parallel: bool,
    ) {
        let width = self.channels * frames;
        let strip = |at: usize, out: &mut [f32]| {
            let mut row = Row::new(self.channels, frames);
            for (i, out) in out.chunks_exact_mut(width).enumerate() {
                convolve_row(input, weights, at * STRIP + i, &mut row);
                for (c, out) in out.chunks_exact_mut(frames).enumerate() {
                    out.copy_from_slice(row.channel(c));
                }
            }
        };
        if parallel {
            out.par_chunks_mut(STRIP * width)
                .enumerate()
                .for_each(|(at, out)| strip(at, out));
        } else {
            for (at, out) in out.chunks_mut(STRIP * width).enumerate() {
                strip(at, out);
            }
        }
    }
}

/// The window of `size` around `at`, within `0..len`.
fn window(at: usize, size: usize, len: usize) -> std::ops::Range<usize> {
    at.saturating_sub(size / 2)..(at + size / 2 + 1).min(len)
}

/// Sums over the kernel's window around every pixel, within the image. It is its own transpose.
fn window_sums(image: &[f32], bins: usize, frames: usize, kernel: Kernel) -> Vec<f32> {
    let mut along = vec![0.0f32; bins * frames];
    for (out, row) in along
        .chunks_exact_mut(frames)
        .zip(image.chunks_exact(frames))
    {
        for (t, out) in out.iter_mut().enumerate() {
            *out = row[window(t, kernel.frames, frames)].iter().sum();
        }
    }
    let mut out = vec![0.0f32; bins * frames];
    for (y, out) in out.chunks_exact_mut(frames).enumerate() {
        for other in window(y, kernel.bins, bins) {
            for (o, x) in out.iter_mut().zip(&along[other * frames..]) {
                *o += x;
            }
        }
    }
    out
}

/// Max pooling by a kernel, and where each maximum came from. Of equal values the nearest is taken.
#[derive(Debug)]
struct Pooled {
    values: Vec<f32>,
    /// The frame of each row's maximum, and then the bin of the column's.
    frame: Vec<u32>,
    bin: Vec<u32>,
}

impl Pooled {
    fn of(mask: &[f32], bins: usize, frames: usize, kernel: Kernel) -> Self {
        let mut along = vec![0.0f32; bins * frames];
        let mut frame = vec![0u32; bins * frames];
        for y in 0..bins {
            let row = &mask[y * frames..][..frames];
            for t in 0..frames {
                let best = largest(t, window(t, kernel.frames, frames), |u| row[u]);
                along[y * frames + t] = row[best];
                frame[y * frames + t] = best as u32;
            }
        }
        let mut values = vec![0.0f32; bins * frames];
        let mut bin = vec![0u32; bins * frames];
        for y in 0..bins {
            for t in 0..frames {
                let best = largest(y, window(y, kernel.bins, bins), |v| along[v * frames + t]);
                values[y * frames + t] = along[best * frames + t];
                bin[y * frames + t] = best as u32;
            }
        }
        Pooled { values, frame, bin }
    }

    /// Adds the gradient `g` in the maxima to that in the mask.
    fn gradient(&self, g: &[f32], frames: usize, dm: &mut [f32]) {
        for (at, g) in g.iter().enumerate() {
            let row = self.bin[at] as usize * frames;
            dm[row + self.frame[row + at % frames] as usize] += g;
        }
    }
}

/// The place of the largest value in `window`; of equal ones the nearest to `centre`, then the first.
fn largest(centre: usize, window: std::ops::Range<usize>, value: impl Fn(usize) -> f32) -> usize {
    let (mut best, mut most) = (centre, value(centre));
    for i in window {
        let v = value(i);
        if v > most || (v == most && i.abs_diff(centre) < best.abs_diff(centre)) {
            (best, most) = (i, v);
        }
    }
    best
}

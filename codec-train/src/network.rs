//! The network as dfdx tensors: built from, and exported to, the layer list of a model file.

use crate::buffers;
use crate::error::{Error, Result};
use crate::kernels::Kernel;
use crate::layer::{layer, Batch, Nonlinearity, Operands, Part, PerPixel, Weights};
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Plane, Source};
use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, Tape, TensorFromVec};
use rand::Rng;
use std::sync::Arc;

/// A batch of input planes, each samples x bins x frames, normalised as the model says (the mask is 0 or 1).
#[derive(Debug, Clone)]
pub struct Inputs {
    /// Samples.
    pub samples: usize,
    /// Bins of a frame.
    pub bins: usize,
    /// Coded frames.
    pub frames: usize,
    /// Kept values, zero elsewhere.
    pub values: Arc<Vec<f32>>,
    /// Kept values, the background elsewhere.
    pub image: Arc<Vec<f32>>,
    /// The background.
    pub background: Arc<Vec<f32>>,
    /// One where a pixel is kept.
    pub mask: Arc<Vec<f32>>,
}

impl Inputs {
    pub(crate) fn plane(&self, plane: Plane) -> &Arc<Vec<f32>> {
        match plane {
            Plane::Values => &self.values,
            Plane::Image => &self.image,
            Plane::Background => &self.background,
            Plane::Mask => &self.mask,
        }
    }
}

/// A network with trainable weights.
#[derive(Debug, Clone)]
pub struct Network {
    device: Cpu,
    /// The model without weights: what to build and what to export into.
    pub(crate) skeleton: Model,
    pub(crate) layers: Vec<TrainableLayer>,
}

#[derive(Debug, Clone)]
pub(crate) struct TrainableLayer {
    pub(crate) groups: Vec<Group>,
    pub(crate) bias: Weights,
    pub(crate) slopes: Option<Weights>,
}

/// Sources that share observation, and so one convolution.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) from: Reads,
    /// Where the group's channels stand among the layer's inputs.
    pub(crate) channels: Vec<usize>,
    pub(crate) weights: Weights,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Reads {
    /// Planes observed everywhere, or read by a plain convolution.
    Planes(Vec<Plane>),
    /// The values, by a sparse convolution.
    Sparse(Plane),
    Layer(usize),
}

impl Network {
    /// The network of a model, with its weights.
    ///
    /// # Errors
    /// [`Error::Network`] naming the first layer whose shapes do not fit, [`Error::Tensor`] if memory runs out.
    pub fn from_model(device: &Cpu, model: &Model) -> Result<Self> {
        let mut skeleton = model.clone();
        let mut layers: Vec<TrainableLayer> = Vec::new();
        for (at, spec) in model.layers.iter().enumerate() {
            check(&model.layers[..at], spec, at)?;
            let mut groups: Vec<(Reads, Vec<usize>)> = Vec::new();
            let mut channel = 0;
            for source in &spec.sources {
                match *source {
                    Source::Plane(Plane::Values) if spec.convolution == Convolution::Sparse => {
                        groups.push((Reads::Sparse(Plane::Values), vec![channel]));
                        channel += 1;
                    }
                    Source::Plane(plane) => {
                        match groups
                            .iter_mut()
                            .find(|(from, _)| matches!(from, Reads::Planes(_)))
                        {
                            Some((Reads::Planes(planes), channels)) => {
                                planes.push(plane);
                                channels.push(channel);
                            }
                            _ => groups.push((Reads::Planes(vec![plane]), vec![channel])),
                        }
                        channel += 1;
                    }
                    Source::Layer(i) => {
                        let width = usize::from(model.layers[usize::from(i)].outputs);
                        groups.push((
                            Reads::Layer(usize::from(i)),
                            (channel..channel + width).collect(),
                        ));
                        channel += width;
                    }
                }
            }
            let (kernel, outputs, inputs) = (
                kernel_of(spec),
                usize::from(spec.outputs),
                usize::from(spec.inputs),
            );
            let area = kernel.area();
            let groups = groups
                .into_iter()
                .map(|(from, channels)| {
                    let mut weights = Vec::with_capacity(outputs * channels.len() * area);
                    for o in 0..outputs {
                        for c in &channels {
                            weights.extend_from_slice(
                                &spec.weights[(o * inputs + c) * area..][..area],
                            );
                        }
                    }
                    let shape = (outputs, channels.len(), kernel.bins, kernel.frames);
                    let tensor = device.try_tensor_from_vec(weights, shape)?;
                    Ok(Group {
                        from,
                        channels,
                        weights: Weights { tensor },
                    })
                })
                .collect::<Result<_>>()?;
            let column = |x: &[f32]| -> Result<Weights> {
                let tensor = device.try_tensor_from_vec(x.to_vec(), (outputs, 1, 1, 1))?;
                Ok(Weights { tensor })
            };
            let slopes = match &spec.activation {
                Activation::Prelu(slopes) => Some(column(slopes)?),
                _ => None,
            };
            layers.push(TrainableLayer {
                groups,
                bias: column(&spec.bias)?,
                slopes,
            });
        }
        for layer in &mut skeleton.layers {
            layer.weights.clear();
            layer.bias.clear();
        }
        if model
            .layers
            .last()
            .is_none_or(|l| l.outputs != u16::from(model.upsampling))
        {
            return Err(Error::Network(format!(
                "the last layer must have {} output channels, the upsampling",
                model.upsampling
            )));
        }
        Ok(Network {
            device: device.clone(),
            skeleton,
            layers,
        })
    }

    /// The model with the present weights.
    #[must_use]
    pub fn to_model(&self) -> Model {
        let mut model = self.skeleton.clone();
        for (spec, layer) in model.layers.iter_mut().zip(&self.layers) {
            let (outputs, inputs, area) = (
                usize::from(spec.outputs),
                usize::from(spec.inputs),
                kernel_of(spec).area(),
            );
            spec.weights = vec![0.0; outputs * inputs * area];
            for group in &layer.groups {
                let weights = group.weights.numbers();
                for (from, (o, c)) in weights
                    .chunks_exact(area)
                    .zip((0..outputs).flat_map(|o| group.channels.iter().map(move |c| (o, c))))
                {
                    spec.weights[(o * inputs + c) * area..][..area].copy_from_slice(from);
                }
            }
            spec.bias = layer.bias.numbers();
            if let (Activation::Prelu(to), Some(slopes)) = (&mut spec.activation, &layer.slopes) {
                *to = slopes.numbers();
            }
        }
        model
    }

    /// How levels enter the network.
    #[must_use]
    pub fn normalisation(&self) -> Normalisation {
        self.skeleton.normalisation
    }

    /// The device the tensors are on.
    #[must_use]
    pub fn device(&self) -> &Cpu {
        &self.device
    }

    /// All trainable tensors in a fixed order, each with whether it is a convolution's (and so decays).
    pub fn parameters_mut(&mut self) -> Vec<(&mut Weights, bool)> {
        let mut all = Vec::new();
        for layer in &mut self.layers {
            all.extend(layer.groups.iter_mut().map(|g| (&mut g.weights, true)));
            all.push((&mut layer.bias, false));
            all.extend(layer.slopes.iter_mut().map(|s| (s, false)));
        }
        all
    }

    /// Runs the layers; returns the last one's output, samples x upsampling x bins x frames: the correction
    /// to the interpolated image in normalised units, or the image itself if the model is not residual.
    ///
    /// # Errors
    /// [`Error::Tensor`] if memory runs out.
    pub fn forward<T: Tape<f32, Cpu>>(&self, tape: &mut T, inputs: &Inputs) -> Result<Batch> {
        let mut done: Vec<(Batch, PerPixel)> = Vec::new();
        for (spec, trainable) in self.skeleton.layers.iter().zip(&self.layers) {
            let (operands, observed) = self.operands(spec, trainable, inputs, &done)?;
            done.push((layer(&self.device, tape, operands)?, observed));
        }
        match done.pop() {
            Some((last, _)) => {
                for (batch, _) in done {
                    buffers::give_shared(batch.data);
                }
                Ok(last)
            }
            None => Err(Error::Network("it has no layers".into())),
        }
    }

    /// What a layer reads, and the mask of its output.
    fn operands(
        &self,
        spec: &Layer,
        trainable: &TrainableLayer,
        inputs: &Inputs,
        done: &[(Batch, PerPixel)],
    ) -> Result<(Operands, PerPixel)> {
        let kernel = kernel_of(spec);
        let (n, bins, frames) = (inputs.samples, inputs.bins, inputs.frames);
        let sparse = spec.convolution == Convolution::Sparse;
        let mut parts = Vec::new();
        let mut masks = Vec::new();
        for group in &trainable.groups {
            let (input, constant, mask) = match &group.from {
                Reads::Planes(planes) => (self.concatenate(planes, inputs)?, true, PerPixel::One),
                Reads::Sparse(plane) => (
                    self.concatenate(&[*plane], inputs)?,
                    true,
                    PerPixel::Each(inputs.mask.clone()),
                ),
                Reads::Layer(i) => {
                    let (batch, mask) = done[*i].clone();
                    (batch, false, if sparse { mask } else { PerPixel::One })
                }
            };
            let scale = if sparse {
                normaliser(&mask, n, bins, frames, kernel)
            } else {
                PerPixel::One
            };
            masks.push(mask.clone());
            parts.push(Part {
                input,
                constant,
                weights: group.weights.clone(),
                mask,
                scale,
            });
        }
        let observed = if sparse {
            spread(&masks, n, bins, frames, kernel)
        } else {
            PerPixel::One
        };
        let nonlinearity = match (&spec.activation, &trainable.slopes) {
            (Activation::Prelu(_), Some(slopes)) => Nonlinearity::Prelu(slopes.clone()),
            (Activation::Relu, _) => Nonlinearity::Relu,
            _ => Nonlinearity::Linear,
        };
        let skip = spec.skip.map(|i| done[usize::from(i)].0.clone());
        Ok((
            Operands {
                kernel,
                parts,
                bias: trainable.bias.clone(),
                skip,
                nonlinearity,
            },
            observed,
        ))
    }

    fn concatenate(&self, planes: &[Plane], inputs: &Inputs) -> Result<Batch> {
        let pixels = inputs.bins * inputs.frames;
        let shape = (inputs.samples, planes.len(), inputs.bins, inputs.frames);
        if let [plane] = planes {
            return Batch::new(&self.device, inputs.plane(*plane).clone(), shape);
        }
        let mut data = Vec::with_capacity(inputs.samples * planes.len() * pixels);
        for n in 0..inputs.samples {
            for plane in planes {
                data.extend_from_slice(&inputs.plane(*plane)[n * pixels..(n + 1) * pixels]);
            }
        }
        Batch::new(&self.device, Arc::new(data), shape)
    }
}

pub(crate) fn kernel_of(spec: &Layer) -> Kernel {
    Kernel {
        bins: usize::from(spec.kernel_bins),
        frames: usize::from(spec.kernel_frames),
    }
}

/// Checks a layer against those before it.
fn check(before: &[Layer], spec: &Layer, at: usize) -> Result<()> {
    let fail = |what: &str| Err(Error::Network(format!("layer {at}: {what}")));
    if spec.kernel_bins.is_multiple_of(2) || spec.kernel_frames.is_multiple_of(2) {
        return fail("kernel sizes must be odd");
    }
    if spec.sources.is_empty() || spec.outputs == 0 {
        return fail("it needs a source and an output channel");
    }
    let mut inputs = 0;
    for source in &spec.sources {
        inputs += match *source {
            Source::Plane(_) => 1,
            Source::Layer(i) => match before.get(usize::from(i)) {
                Some(layer) => usize::from(layer.outputs),
                None => return fail("it reads a layer that does not come before it"),
            },
        };
    }
    if inputs != usize::from(spec.inputs) {
        return fail("its input channels are not the sum over its sources");
    }
    if let Some(i) = spec.skip {
        if before.get(usize::from(i)).map(|l| l.outputs) != Some(spec.outputs) {
            return fail("its skip must be an earlier layer with as many channels");
        }
    }
    let outputs = usize::from(spec.outputs);
    if spec.weights.len() != outputs * inputs * kernel_of(spec).area() || spec.bias.len() != outputs
    {
        return fail("the number of its weights or biases is wrong");
    }
    match &spec.activation {
        Activation::Prelu(slopes) if slopes.len() != outputs => {
            fail("it needs a slope per output channel")
        }
        _ => Ok(()),
    }
}

/// Observed pixels in the window around every pixel of one bins x frames image; counted inside it only.
fn counts(mask: Option<&[f32]>, bins: usize, frames: usize, kernel: Kernel) -> Vec<f32> {
    let window = |at: usize, size: usize, len: usize| {
        at.saturating_sub(size / 2)..(at + size / 2 + 1).min(len)
    };
    let mut along = vec![0f32; bins * frames];
    for bin in 0..bins {
        for frame in 0..frames {
            let window = window(frame, kernel.frames, frames);
            along[bin * frames + frame] = match mask {
                Some(mask) => mask[bin * frames..][window].iter().sum(),
                None => window.len() as f32,
            };
        }
    }
    let mut out = vec![0f32; bins * frames];
    for bin in 0..bins {
        for other in window(bin, kernel.bins, bins) {
            for frame in 0..frames {
                out[bin * frames + frame] += along[other * frames + frame];
            }
        }
    }
    out
}

/// The factor of a sparse convolution at every pixel (Uhrig et al. 2017, eq. 2, times the kernel's area):
/// area over observed pixels, zero where there is none.
pub(crate) fn normaliser(
    mask: &PerPixel,
    samples: usize,
    bins: usize,
    frames: usize,
    kernel: Kernel,
) -> PerPixel {
    let factor = |mask: Option<&[f32]>| -> Vec<f32> {
        let area = kernel.area() as f32;
        counts(mask, bins, frames, kernel)
            .into_iter()
            .map(|n| if n > 0.0 { area / n } else { 0.0 })
            .collect()
    };
    match mask {
        PerPixel::Each(_) => {
            let all = (0..samples)
                .flat_map(|n| factor(mask.of(n, bins * frames)))
                .collect();
            PerPixel::Each(Arc::new(all))
        }
        // The common case: everything is observed, only the border counts fewer pixels.
        _ => PerPixel::Shared(Arc::new(factor(mask.of(0, bins * frames)))),
    }
}

/// The mask after a sparse layer (Uhrig et al. 2017, eq. 3): max pooling by the kernel, the union over sources.
pub(crate) fn spread(
    masks: &[PerPixel],
    samples: usize,
    bins: usize,
    frames: usize,
    kernel: Kernel,
) -> PerPixel {
    if masks.iter().any(|m| matches!(m, PerPixel::One)) {
        return PerPixel::One;
    }
    let pixels = bins * frames;
    let mut union = vec![0f32; samples * pixels];
    for mask in masks {
        for (n, union) in union.chunks_exact_mut(pixels).enumerate() {
            for (u, count) in union
                .iter_mut()
                .zip(counts(mask.of(n, pixels), bins, frames, kernel))
            {
                *u = if count > 0.0 { 1.0 } else { *u };
            }
        }
    }
    PerPixel::Each(Arc::new(union))
}

/// Fills a model's weights to start training from: Kaiming's normal distribution, and zeros in the last
/// layer of a residual model, so that its training starts from plain interpolation. PReLU slopes start at 1/4.
pub fn initialise(model: &mut Model, rng: &mut impl Rng) {
    let last = model.layers.len().saturating_sub(1);
    for (at, layer) in model.layers.iter_mut().enumerate() {
        let (outputs, fan) = (
            usize::from(layer.outputs),
            usize::from(layer.inputs) * kernel_of(layer).area(),
        );
        let deviation = if at == last && model.residual {
            0.0
        } else {
            (2.0 / fan as f32).sqrt()
        };
        layer.weights = (0..outputs * fan)
            .map(|_| deviation * normal(rng))
            .collect();
        layer.bias = vec![0.0; outputs];
        if let Activation::Prelu(slopes) = &mut layer.activation {
            *slopes = vec![0.25; outputs];
        }
    }
}

/// A sample of the standard normal distribution (Box and Muller 1958).
fn normal(rng: &mut impl Rng) -> f32 {
    let (a, b): (f32, f32) = (1.0 - rng.gen::<f32>(), rng.gen());
    (-2.0 * a.ln()).sqrt() * (std::f32::consts::TAU * b).cos()
}

/// The number of weights, biases and slopes of a model.
#[must_use]
pub fn weight_count(network: &mut Network) -> usize {
    network
        .parameters_mut()
        .iter()
        .map(|(w, _)| {
            let (a, b, c, d) = *w.tensor.shape();
            a * b * c * d
        })
        .sum()
}

//! Inference of the completion network: sparse image in, dense image out (Spec §8).
//!
//! Every output is a sum in a fixed order of f32 products, so the result is the same on every machine;
//! see [`kernel`] for how that leaves room for wide registers.

pub mod kernel;
mod tensor;

use crate::error::{Error, Result};
use crate::planes::Planes;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Source};
use ndarray::Array2;
use tensor::{Observed, Tensor};

/// A network ready to run.
#[derive(Debug, Clone)]
pub struct Network {
    normalisation: Normalisation,
    residual: bool,
    upsampling: usize,
    layers: Vec<Prepared>,
    /// For every layer, whether a later one still reads it (by index of the last reader).
    last_use: Vec<usize>,
    context: usize,
}

/// A layer with its weights in the order the kernel reads them.
#[derive(Debug, Clone)]
struct Prepared {
    sources: Vec<Source>,
    skip: Option<usize>,
    kernel_bins: usize,
    kernel_frames: usize,
    outputs: usize,
    /// Sparse: one part per source; plain: a single part over all of them.
    parts: Vec<Part>,
    sparse: bool,
    bias: Vec<f32>,
    activation: Activation,
}

#[derive(Debug, Clone)]
struct Part {
    inputs: usize,
    weights: kernel::Weights,
}

impl Network {
    /// Prepares a model for streams with this header.
    ///
    /// # Errors
    /// [`Error::Model`] if the model was made for another grid or rate; [`Error::Format`] if it breaks a
    /// rule of the model file or a limit.
    pub fn new(model: &Model, header: &Header) -> Result<Self> {
        if model.stft != header.stft {
            return Err(Error::Model { what: "it was made for another transform than the stream's" });
        }
        if model.rate != header.coded.rate {
            return Err(Error::Model { what: "it was made for another sample rate than the stream's" });
        }
        Network::of(model)
    }

    /// Prepares a model without a stream.
    ///
    /// # Errors
    /// [`Error::Format`] if the model breaks a rule of the model file or a limit.
    pub fn of(model: &Model) -> Result<Self> {
        codec_format::model_file::validate(model, &codec_format::limits::Limits::default())?;
        let mut last_use: Vec<usize> = (0..model.layers.len()).collect();
        let mut reach = Vec::new();
        let mut channels = Vec::new();
        let mut layers = Vec::new();
        for (at, layer) in model.layers.iter().enumerate() {
            let mut widest = 0;
            for source in &layer.sources {
                if let Source::Layer(i) = *source {
                    last_use[usize::from(i)] = at;
                    widest = widest.max(reach[usize::from(i)]);
                }
            }
            let mut this = widest + usize::from(layer.kernel_frames) / 2;
            if let Some(i) = layer.skip {
                last_use[usize::from(i)] = at;
                this = this.max(reach[usize::from(i)]);
            }
            reach.push(this);
            let widths: Vec<usize> = layer
                .sources
                .iter()
                .map(|source| match *source {
                    Source::Plane(_) => 1,
                    Source::Layer(i) => channels[usize::from(i)],
                })
                .collect();
            channels.push(usize::from(layer.outputs));
            layers.push(Prepared::new(layer, &widths));
        }
        let upsampling = usize::from(model.upsampling);
        let context = reach.last().copied().unwrap_or(0).max(usize::from(upsampling > 1));
        Ok(Network {
            normalisation: model.normalisation,
            residual: model.residual,
            upsampling,
            layers,
            last_use,
            context,
        })
    }

    /// The completion of streams that name no model: the layered image, interpolated in time to a hop of
    /// an eighth of the transform or, if that is not a division by 1, 2, 4 or 8, the nearest above.
    #[must_use]
    pub fn interpolation(header: &Header) -> Self {
        let (hop, n) = (usize::from(header.stft.hop), usize::from(header.stft.n_fft));
        let upsampling = [8, 4, 2].into_iter().find(|&u| hop % u == 0 && hop / u >= n / 8).unwrap_or(1);
        Network {
            normalisation: Normalisation { offset: 0.0, scale: 1.0 },
            residual: true,
            upsampling,
            layers: Vec::new(),
            last_use: Vec::new(),
            context: usize::from(upsampling > 1),
        }
    }

    /// Fine frames for each coded one.
    #[must_use]
    pub fn upsampling(&self) -> usize {
        self.upsampling
    }

    /// Coded frames on either side that an output can depend on.
    #[must_use]
    pub fn context(&self) -> usize {
        self.context
    }

    /// Multiply-adds a pixel of the coded grid takes.
    #[must_use]
    pub fn macs_per_pixel(&self) -> usize {
        self.layers
            .iter()
            .map(|l| l.parts.iter().map(|p| p.inputs).sum::<usize>() * l.kernel_bins * l.kernel_frames * l.outputs)
            .sum()
    }

    /// Completes an image: planes of frames x bins in, `frames * upsampling` x bins out, both in dB above
    /// the origin. Outputs within [`Network::context`] of an end see zeros beyond it.
    #[must_use]
    pub fn run(&self, planes: &Planes) -> Array2<f32> {
        let (frames, bins) = planes.mask.dim();
        let correction = self.correction(planes);
        let up = self.upsampling;
        let scale = self.normalisation.scale;
        let offset = if self.residual { 0.0 } else { self.normalisation.offset };
        let mut out = Array2::zeros((frames * up, bins));
        for frame in 0..frames {
            let here = planes.image.row(frame);
            let next = planes.image.row((frame + 1).min(frames.saturating_sub(1)));
            for sub in 0..up {
                let share = sub as f32 / up as f32;
                let mut row = out.row_mut(frame * up + sub);
                for bin in 0..bins {
                    let base = if self.residual { here[bin] + (next[bin] - here[bin]) * share } else { offset };
                    let add = correction.as_ref().map_or(0.0, |c| c.at(frame, bin)[sub]);
                    row[bin] = base + add * scale;
                }
            }
        }
        out
    }

    /// The last layer's output in normalised units, frames x bins x upsampling; `None` without layers.
    fn correction(&self, planes: &Planes) -> Option<Tensor> {
        let mut done: Vec<Option<Tensor>> = Vec::new();
        for (at, layer) in self.layers.iter().enumerate() {
            let out = layer.run(planes, &self.normalisation, &done);
            done.push(Some(out));
            for (i, &last) in self.last_use.iter().enumerate() {
                if last == at && i < at {
                    done[i] = None;
                }
            }
        }
        done.pop().flatten()
    }
}

impl Prepared {
    fn new(layer: &Layer, widths: &[usize]) -> Self {
        let (kb, kf) = (usize::from(layer.kernel_bins), usize::from(layer.kernel_frames));
        let (inputs, outputs) = (usize::from(layer.inputs), usize::from(layer.outputs));
        let sparse = layer.convolution == Convolution::Sparse;
        let spans: Vec<usize> = if sparse { widths.to_vec() } else { vec![inputs] };
        let mut first = 0;
        let mut parts = Vec::new();
        for span in spans {
            let weights = kernel::Weights::new(outputs, span, kb, kf, |o, i, b, f| {
                layer.weights[((o * inputs + first + i) * kb + b) * kf + f]
            });
            parts.push(Part { inputs: span, weights });
            first += span;
        }
        Prepared {
            sources: layer.sources.clone(),
            skip: layer.skip.map(usize::from),
            kernel_bins: kb,
            kernel_frames: kf,
            outputs,
            parts,
            sparse,
            bias: layer.bias.clone(),
            activation: layer.activation.clone(),
        }
    }

    fn run(&self, planes: &Planes, normalisation: &Normalisation, done: &[Option<Tensor>]) -> Tensor {
        let (frames, bins) = planes.mask.dim();
        let inputs: Vec<tensor::Input<'_>> = self
            .sources
            .iter()
            .map(|source| match *source {
                Source::Plane(plane) => tensor::Input::plane(planes, plane, normalisation),
                Source::Layer(i) => tensor::Input::layer(done[usize::from(i)].as_ref()),
            })
            .collect();
        let (kb, kf) = (self.kernel_bins, self.kernel_frames);
        let mut out = Tensor::zeros(frames, bins, self.outputs);
        if self.sparse {
            for (input, part) in inputs.iter().zip(&self.parts) {
                let padded = tensor::pad(&[input], frames, bins, kb, kf, true);
                let scale = input.observed().normaliser(frames, bins, kb, kf);
                kernel::convolve(&padded, frames, bins, &part.weights, Some(&scale), &mut out.data);
            }
            out.observed = Observed::spread(inputs.iter().map(tensor::Input::observed), frames, bins, kb, kf);
        } else if let Some(part) = self.parts.first() {
            let all: Vec<&tensor::Input<'_>> = inputs.iter().collect();
            let padded = tensor::pad(&all, frames, bins, kb, kf, false);
            kernel::convolve(&padded, frames, bins, &part.weights, None, &mut out.data);
        }
        let skip = self.skip.and_then(|i| done[i].as_ref());
        self.finish(&mut out, skip);
        out
    }

    /// Bias, skip and activation, in this order.
    fn finish(&self, out: &mut Tensor, skip: Option<&Tensor>) {
        for (pixel, values) in out.data.chunks_exact_mut(self.outputs).enumerate() {
            for (v, b) in values.iter_mut().zip(&self.bias) {
                *v += b;
            }
            if let Some(skip) = skip {
                for (v, s) in values.iter_mut().zip(&skip.data[pixel * self.outputs..]) {
                    *v += s;
                }
            }
            match &self.activation {
                Activation::Linear => {}
                Activation::Relu => values.iter_mut().for_each(|v| *v = if *v > 0.0 { *v } else { 0.0 }),
                Activation::Prelu(slopes) => {
                    for (v, s) in values.iter_mut().zip(slopes) {
                        *v = if *v > 0.0 { *v } else { *v * s };
                    }
                }
            }
        }
    }
}

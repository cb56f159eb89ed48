//! Inference of the completion network: sparse image in, dense image out (Spec §8).
//!
//! Every output is a sum in a fixed order of f32 products, so the result is the same on every machine;
//! see [`kernel`] for how that leaves room for wide registers.

mod completion;
pub mod kernel;
mod tensor;

pub use completion::Completion;

use crate::error::{Error, Result};
use crate::planes::Planes;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::model::{Activation, Convolution, Layer, Model, Normalisation, Source};
use core::ops::Range;
use ndarray::Array2;
use tensor::{Input, Tensor};

/// A network ready to run.
#[derive(Debug, Clone)]
pub struct Network {
    normalisation: Normalisation,
    residual: bool,
    upsampling: usize,
    layers: Vec<Prepared>,
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
            return Err(Error::Model {
                what: "it was made for another transform than the stream's",
            });
        }
        if model.rate != header.coded.rate {
            return Err(Error::Model {
                what: "it was made for another sample rate than the stream's",
            });
        }
        Network::of(model)
    }

    /// Prepares a model without a stream.
    ///
    /// # Errors
    /// [`Error::Format`] if the model breaks a rule of the model file or a limit.
    pub fn of(model: &Model) -> Result<Self> {
        codec_format::model_file::validate(model, &codec_format::limits::Limits::default())?;
        let mut reach = Vec::new();
        let mut channels = Vec::new();
        let mut layers = Vec::new();
        for layer in &model.layers {
            let mut widest = 0;
            for source in &layer.sources {
                if let Source::Layer(i) = *source {
                    widest = widest.max(reach[usize::from(i)]);
                }
            }
            let mut this = widest + usize::from(layer.kernel_frames) / 2;
            if let Some(i) = layer.skip {
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
        let context = reach
            .last()
            .copied()
            .unwrap_or(0)
            .max(usize::from(upsampling > 1));
        Ok(Network {
            normalisation: model.normalisation,
            residual: model.residual,
            upsampling,
            layers,
            context,
        })
    }

    /// The completion of streams that name no model: the layered image, interpolated in time to a hop of
    /// an eighth of the transform or, if that is not a division by 1, 2, 4 or 8, the nearest above.
    #[must_use]
    pub fn interpolation(header: &Header) -> Self {
        let (hop, n) = (usize::from(header.stft.hop), usize::from(header.stft.n_fft));
        let upsampling = [8, 4, 2]
            .into_iter()
            .find(|&u| hop % u == 0 && hop / u >= n / 8)
            .unwrap_or(1);
        Network {
            normalisation: Normalisation {
                offset: 0.0,
                scale: 1.0,
            },
            residual: true,
            upsampling,
            layers: Vec::new(),
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
            .map(|l| {
                l.parts.iter().map(|p| p.inputs).sum::<usize>()
                    * l.kernel_bins
                    * l.kernel_frames
                    * l.outputs
            })
            .sum()
    }

    /// The dense frames of the coded frames `range`: `planes` begin at frame `start`, `last` is the last layer's
    /// output. The image's last frame, having no successor, interpolates towards itself.
    fn dense(
        &self,
        planes: &Planes,
        start: usize,
        last: Option<&Tensor>,
        range: Range<usize>,
    ) -> Array2<f32> {
        let bins = planes.bins();
        let up = self.upsampling;
        let scale = self.normalisation.scale;
        let offset = self.normalisation.offset;
        let mut out = Array2::zeros((range.len() * up, bins));
        for frame in range.clone() {
            let here = planes.image.row(frame - start);
            let next = planes
                .image
                .row((frame + 1 - start).min(planes.frames() - 1));
            for sub in 0..up {
                let share = sub as f32 / up as f32;
                let mut row = out.row_mut((frame - range.start) * up + sub);
                for bin in 0..bins {
                    let base = if self.residual {
                        here[bin] + (next[bin] - here[bin]) * share
                    } else {
                        offset
                    };
                    row[bin] = base + last.map_or(0.0, |t| t.at(frame, bin)[sub]) * scale;
                }
            }
        }
        out
    }

    /// Completes a whole image: planes of frames x bins in, `frames * upsampling` x bins out, both in dB above
    /// the origin.
    #[must_use]
    pub fn run(&self, planes: &Planes) -> Array2<f32> {
        let mut completion = Completion::new(Arc::new(self.clone()));
        let mut out = completion.push(planes);
        // Both have the image's bins, so appending cannot fail.
        let _ = out.append(ndarray::Axis(0), completion.finish().view());
        out
    }
}

impl Prepared {
    fn new(layer: &Layer, widths: &[usize]) -> Self {
        let (kb, kf) = (
            usize::from(layer.kernel_bins),
            usize::from(layer.kernel_frames),
        );
        let (inputs, outputs) = (usize::from(layer.inputs), usize::from(layer.outputs));
        let sparse = layer.convolution == Convolution::Sparse;
        let spans: Vec<usize> = if sparse {
            widths.to_vec()
        } else {
            vec![inputs]
        };
        let mut first = 0;
        let mut parts = Vec::new();
        for span in spans {
            let weights = kernel::Weights::new(outputs, span, kb, kf, |o, i, b, f| {
                layer.weights[((o * inputs + first + i) * kb + b) * kf + f]
            });
            parts.push(Part {
                inputs: span,
                weights,
            });
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

    /// Frames of the kernel on either side of its centre.
    fn half(&self) -> usize {
        self.kernel_frames / 2
    }

    /// Computes the frames `range` from inputs that hold every frame the kernel reaches within the image.
    fn run(
        &self,
        inputs: &[Input<'_>],
        skip: Option<&Tensor>,
        range: Range<usize>,
        bins: usize,
    ) -> Tensor {
        let (kb, kf) = (self.kernel_bins, self.kernel_frames);
        let frames = range.len();
        let mut out = Tensor::zeros(range.clone(), bins, self.outputs);
        if self.sparse {
            for (input, part) in inputs.iter().zip(&self.parts) {
                let padded = tensor::pad(
                    core::slice::from_ref(input),
                    range.clone(),
                    bins,
                    kb,
                    kf,
                    true,
                );
                let scale = input.normaliser(range.clone(), bins, kb, kf);
                kernel::convolve(
                    &padded,
                    frames,
                    bins,
                    &part.weights,
                    Some(&scale),
                    &mut out.data,
                );
            }
            out.observed = tensor::spread(inputs, range.clone(), bins, kb, kf);
        } else if let Some(part) = self.parts.first() {
            let padded = tensor::pad(inputs, range.clone(), bins, kb, kf, false);
            kernel::convolve(&padded, frames, bins, &part.weights, None, &mut out.data);
        }
        self.finish(&mut out, skip, range);
        out
    }

    /// Bias, skip and activation, in this order.
    fn finish(&self, out: &mut Tensor, skip: Option<&Tensor>, range: Range<usize>) {
        let bins = out.bins;
        for (pixel, values) in out.data.chunks_exact_mut(self.outputs).enumerate() {
            for (v, b) in values.iter_mut().zip(&self.bias) {
                *v += b;
            }
            if let Some(skip) = skip {
                for (v, s) in values
                    .iter_mut()
                    .zip(skip.at(range.start + pixel / bins, pixel % bins))
                {
                    *v += s;
                }
            }
            match &self.activation {
                Activation::Linear => {}
                Activation::Relu => values
                    .iter_mut()
                    .for_each(|v| *v = if *v > 0.0 { *v } else { 0.0 }),
                Activation::Prelu(slopes) => {
                    for (v, s) in values.iter_mut().zip(slopes) {
                        *v = if *v > 0.0 { *v } else { *v * s };
                    }
                }
            }
        }
    }
}

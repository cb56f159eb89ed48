//! Inference of the networks a model holds: sparse image in, dense image out (Spec §8).
//!
//! [`Network`] and [`Analysis`] are what a model says, ready to run and shared by all who run it; [`Completion`] and
//! [`Analyser`] are one at work on one image. Every output is a sum in a fixed order of f32 products, so the result is
//! the same on every machine; see [`kernel`] for how that leaves room for wide registers.

mod analysis;
mod completion;
mod graph;
pub mod kernel;
mod op;
mod stream;
mod tensor;
#[cfg(test)]
mod tests;

pub use analysis::{Analyser, Analysis};
pub use completion::Completion;

use crate::error::{Error, Result};
use crate::planes::Planes;
use alloc::sync::Arc;
use codec_format::header::Header;
use codec_format::model::graph::Shape;
use codec_format::model::{Model, Normalisation};
use graph::Graph;
use ndarray::{Array2, Axis};

/// A completion network ready to run.
#[derive(Debug, Clone)]
pub struct Network {
    normalisation: Normalisation,
    residual: bool,
    upsampling: usize,
    /// None where there is no network but the interpolation of its residual.
    graph: Option<Graph>,
    context: usize,
    stride: usize,
}

impl Network {
    /// Prepares a model for streams with this header.
    ///
    /// # Errors
    /// [`Error::Model`] if the model was made for another grid or rate.
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
        Ok(Network::of(model))
    }

    /// Prepares a model without a stream.
    #[must_use]
    pub fn of(model: &Model) -> Self {
        let shapes = model.completion_shapes();
        let reach = model.completion.reach(shapes);
        let upsampling = usize::from(model.upsampling());
        Network {
            normalisation: model.normalisation,
            residual: model.residual,
            upsampling,
            graph: Some(Graph::new(&model.completion, shapes)),
            context: reach
                .behind
                .max(reach.ahead)
                .max(usize::from(upsampling > 1)),
            stride: coarsest(shapes),
        }
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
            graph: None,
            context: usize::from(upsampling > 1),
            stride: 1,
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

    /// Coded frames from one point of its coarsest grid to the next, at least one: an image that begins with a multiple
    /// of them is computed as in the midst of a longer one.
    #[must_use]
    pub fn stride(&self) -> usize {
        self.stride
    }

    /// Completes a whole image: planes of frames x bins in, `frames * upsampling` x bins out, both in dB above
    /// the origin.
    #[must_use]
    pub fn run(self: &Arc<Self>, planes: &Planes) -> Array2<f32> {
        let mut completion = Completion::new(self.clone());
        let mut out = completion.push(planes);
        // Both have the image's bins, so appending cannot fail.
        let _ = out.append(Axis(0), completion.finish().view());
        out
    }
}

/// Coded frames from one point of the coarsest of these grids to the next, at least one.
fn coarsest(shapes: &[Shape]) -> usize {
    let steps = shapes.iter().map(|shape| shape.grid.frames.max(0));
    1 << steps.max().unwrap_or(0)
}

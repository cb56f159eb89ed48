//! Inference of the networks a model holds: sparse image in, dense image out (Spec §8).
//!
//! [`Network`] and [`Analysis`] are what a model says, ready to run and shared by all who run it; [`Completion`] and
//! [`Analyser`] are one at work on one image, a coded frame at a time. Their numbers are whole ones of 16 bits or
//! binary32, as the model says; both are computed in one defined way, so the result is the same on every machine.

mod analysis;
mod completion;
mod graph;
mod kernel;
mod number;
mod op;
mod plan;
mod tensors;
#[cfg(test)]
mod tests;

pub use analysis::{Analyser, Analysis};
pub use completion::Completion;

use crate::error::{Error, Result};
use crate::planes::Planes;
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::memory::Heap;
use codec_format::model::graph::Shape;
use codec_format::model::{self, Arithmetic, Model, Normalisation};
use graph::Graph;
use ndarray::Array2;

/// A completion network ready to run.
#[derive(Debug, Clone)]
pub struct Network {
    normalisation: Normalisation,
    residual: bool,
    upsampling: usize,
    /// None where there is no network but the interpolation of its residual.
    graph: Option<Kind>,
    context: usize,
    stride: usize,
}

/// A graph of either kind of numbers.
#[derive(Debug, Clone)]
enum Kind {
    Real(Graph<f32>),
    Whole(Graph<i16>),
}

impl Kind {
    /// Prepares a graph of a model; its output waits for `after` more coded frames.
    fn of(
        arithmetic: Arithmetic,
        graph: &model::graph::Graph,
        shapes: &[Shape],
        after: u64,
    ) -> Self {
        match arithmetic {
            Arithmetic::Real => Kind::Real(Graph::new(graph, shapes, after)),
            Arithmetic::Whole => Kind::Whole(Graph::new(graph, shapes, after)),
        }
    }
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
            graph: Some(Kind::of(
                model.arithmetic,
                &model.completion,
                shapes,
                looks_ahead(model.residual, upsampling),
            )),
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

    /// Completes a whole image: planes of frames x bins in, `frames * upsampling` x bins out, both in dB above the origin.
    /// Levels are rounded to whole numbers of 1/16 dB on their way in, and come out as such.
    #[must_use]
    pub fn run(self: &Arc<Self>, planes: &Planes) -> Array2<f32> {
        let (frames, bins) = planes.image.dim();
        let mut out = Array2::zeros((frames * self.upsampling, bins));
        // The heap without a limit has enough.
        let Ok(mut completion) = Completion::new(self, bins, &mut Heap::new(u64::MAX)) else {
            return out;
        };
        completion.reset();
        let mut levels = Vec::with_capacity(out.len());
        completion.push_planes(planes, &mut levels);
        completion.finish();
        completion.take(&mut levels);
        out.iter_mut().zip(levels).for_each(|(y, x)| *y = x);
        out
    }
}

/// Units of levels in a dB, and the lowest and highest level.
const PER_DB: f32 = model::PER_DB;
const LOWEST: i16 = -8192;
const HIGHEST: i16 = 8191;

/// The level nearest to `x` dB.
fn level(x: f32) -> i16 {
    (libm::floorf(x * PER_DB + 0.5) as i16).clamp(LOWEST, HIGHEST)
}

/// Coded frames that must have come after a dense one's own: interpolation looks one ahead.
fn looks_ahead(residual: bool, upsampling: usize) -> u64 {
    u64::from(residual && upsampling > 1)
}

/// Coded frames from one point of the coarsest of these grids to the next, at least one.
fn coarsest(shapes: &[Shape]) -> usize {
    let steps = shapes.iter().map(|shape| shape.grid.frames.max(0));
    1 << steps.max().unwrap_or(0)
}

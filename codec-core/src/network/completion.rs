//! Completion of an image that arrives in pieces: the planes enter in the network's units, dense levels come out.

use super::stream::Stream;
use super::tensor::Tensor;
use super::Network;
use crate::planes::Planes;
use alloc::sync::Arc;
use codec_format::model::graph::Plane;
use ndarray::Array2;

/// A network at work on a stream.
#[derive(Debug, Clone)]
pub struct Completion {
    network: Arc<Network>,
    /// Nothing where the network only interpolates.
    stream: Option<Stream>,
    /// The image, dB above the origin: the coded frames that interpolation still needs.
    image: Tensor,
    /// Fine frames given out.
    given: usize,
}

impl Completion {
    /// Starts on an empty image.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        let stream = network.graph.as_ref().map(Stream::new);
        Completion {
            network,
            stream,
            image: Tensor::new(0, 1, false),
            given: 0,
        }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Takes the next frames and returns those dense ones that became final: fine frames x bins, in dB above
    /// the origin. They lag [`Network::context`] coded frames behind. All planes have as many bins as the first.
    pub fn push(&mut self, planes: &Planes) -> Array2<f32> {
        let (frames, bins) = planes.image.dim();
        self.image.bins = bins;
        self.image.data.extend(&planes.image);
        if let (Some(stream), Some(graph)) = (&mut self.stream, &self.network.graph) {
            let normalisation = &self.network.normalisation;
            stream.push(graph, frames, bins, |at, out, observed| {
                let plane = graph.planes[at];
                if let Some(values) = planes.get(plane) {
                    for (y, &x) in out.iter_mut().zip(values) {
                        *y = match plane {
                            Plane::Mask => x,
                            _ => (x - normalisation.offset) / normalisation.scale,
                        };
                    }
                }
                if let Some(observed) = observed {
                    // An unobserved pixel is zero in the network's units, not in dB.
                    for ((y, o), &m) in out.iter_mut().zip(observed).zip(&planes.mask) {
                        *o = u8::from(m != 0.0);
                        *y = if m != 0.0 { *y } else { 0.0 };
                    }
                }
            });
        }
        self.collect(false)
    }

    /// Ends the image: the rest of the dense frames.
    pub fn finish(&mut self) -> Array2<f32> {
        if let (Some(stream), Some(graph)) = (&mut self.stream, &self.network.graph) {
            stream.finish(graph);
        }
        self.collect(true)
    }

    fn collect(&mut self, last: bool) -> Array2<f32> {
        let network = &*self.network;
        let up = network.upsampling;
        let frames = self.image.frames().end;
        // Interpolation looks one frame ahead, which the image's last frame cannot.
        let ahead = usize::from(network.residual && up > 1 && !last);
        let mut to = frames.saturating_sub(ahead) * up;
        if let (Some(stream), Some(graph)) = (&self.stream, &network.graph) {
            to = to.min(stream.ready(graph).end);
        }
        let range = self.given..to.max(self.given);
        let mut out = Array2::zeros((range.len(), self.image.bins));
        for (fine, mut row) in range.clone().zip(out.rows_mut()) {
            let coded = fine / up;
            let next = (coded + 1).min(frames - 1);
            let here = self.image.at(coded..coded + 1);
            let next = self.image.at(next..next + 1);
            let share = (fine % up) as f32 / up as f32;
            for (bin, y) in row.iter_mut().enumerate() {
                *y = if network.residual {
                    here[bin] + (next[bin] - here[bin]) * share
                } else {
                    network.normalisation.offset
                };
            }
        }
        if let (Some(stream), Some(graph)) = (&mut self.stream, &network.graph) {
            let scale = network.normalisation.scale;
            stream.take(graph, range.end, |output| {
                let mut x = [0.0];
                for (fine, mut row) in range.clone().zip(out.rows_mut()) {
                    for (bin, y) in row.iter_mut().enumerate() {
                        output.copy(fine, bin, &mut x);
                        *y += x[0] * scale;
                    }
                }
            });
        }
        self.given = range.end;
        self.image.drop_before(range.end / up);
        out
    }
}

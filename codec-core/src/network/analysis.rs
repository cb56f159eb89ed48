//! Analysis networks: what the encoder learns of the levels of the signal itself (Spec §8.11).

use super::graph::Graph;
use super::stream::Stream;
use alloc::sync::Arc;
use codec_format::model::graph::Grid;
use codec_format::model::{Model, Normalisation};
use ndarray::{concatenate, Array3, ArrayView2, Axis};

/// An analysis network ready to run.
#[derive(Debug, Clone)]
pub struct Analysis {
    normalisation: Normalisation,
    graph: Graph,
}

/// An analysis network at work on a stream.
#[derive(Debug, Clone)]
pub struct Analyser {
    network: Arc<Analysis>,
    stream: Stream,
}

impl Analysis {
    /// Prepares a model's analysis network, if it has one.
    #[must_use]
    pub fn of(model: &Model) -> Option<Self> {
        let graph = model.analysis.as_ref()?;
        Some(Analysis {
            normalisation: model.normalisation,
            graph: Graph::new(graph, model.analysis_shapes()),
        })
    }

    /// Where the pixels of the output lie.
    #[must_use]
    pub fn grid(&self) -> Grid {
        self.graph.shape.grid
    }

    /// Channels of the output.
    #[must_use]
    pub fn channels(&self) -> usize {
        usize::from(self.graph.shape.channels)
    }

    /// The output for a whole image: levels of coded frames x bins in dB above the origin in, frames x bins x channels on
    /// [`Analysis::grid`] out.
    #[must_use]
    pub fn run(self: &Arc<Self>, levels: ArrayView2<'_, f32>) -> Array3<f32> {
        let mut analyser = Analyser::new(self.clone());
        let (first, rest) = (analyser.push(levels), analyser.finish());
        // Both have the image's bins and the output's channels.
        concatenate(Axis(0), &[first.view(), rest.view()]).unwrap_or(first)
    }
}

impl Analyser {
    /// Starts on an empty image.
    #[must_use]
    pub fn new(network: Arc<Analysis>) -> Self {
        let stream = Stream::new(&network.graph);
        Analyser { network, stream }
    }

    /// Takes the next levels, coded frames x bins in dB above the origin, and returns the output's frames that became
    /// final. All levels have as many bins as the first.
    pub fn push(&mut self, levels: ArrayView2<'_, f32>) -> Array3<f32> {
        let Analysis {
            normalisation,
            graph,
        } = &*self.network;
        let (frames, bins) = levels.dim();
        self.stream.push(graph, frames, bins, |_, out, _| {
            for (y, x) in out.iter_mut().zip(levels) {
                *y = (x - normalisation.offset) / normalisation.scale;
            }
        });
        self.collect()
    }

    /// Ends the image: the rest of the output.
    pub fn finish(&mut self) -> Array3<f32> {
        self.stream.finish(&self.network.graph);
        self.collect()
    }

    fn collect(&mut self) -> Array3<f32> {
        let graph = &self.network.graph;
        let ready = self.stream.ready(graph);
        self.stream.take(graph, ready.end, |output| {
            let channels = usize::from(graph.shape.channels);
            let mut out = Array3::zeros((ready.len(), output.bins(), channels));
            for (frame, mut pixels) in ready.clone().zip(out.outer_iter_mut()) {
                for (bin, mut pixel) in pixels.outer_iter_mut().enumerate() {
                    if let Some(pixel) = pixel.as_slice_mut() {
                        output.copy(frame, bin, pixel);
                    }
                }
            }
            out
        })
    }
}

//! Completion of an image that arrives in pieces: every layer keeps the few frames its readers still need,
//! so no frame is computed twice and the result is that of the whole image at once.

use super::tensor::{Input, Tensor};
use super::{Network, Prepared};
use crate::planes::Planes;
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::model::Source;
use ndarray::Array2;

/// A network at work on a stream.
#[derive(Debug, Clone)]
pub struct Completion {
    network: Arc<Network>,
    planes: Option<Planes>,
    /// First frame that `planes` still holds.
    start: usize,
    /// What each layer has computed, less what nobody reads any more.
    done: Vec<Tensor>,
    /// Frames given out.
    given: usize,
}

impl Completion {
    /// Starts on an empty image.
    #[must_use]
    pub fn new(network: Arc<Network>) -> Self {
        let done = network
            .layers
            .iter()
            .map(|l| Tensor::zeros(0..0, 0, l.outputs))
            .collect();
        Completion {
            network,
            planes: None,
            start: 0,
            done,
            given: 0,
        }
    }

    /// The network.
    #[must_use]
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Takes the next frames and returns those dense ones that became final: fine frames x bins, in dB above
    /// the origin. They lag [`Network::context`] coded frames behind.
    pub fn push(&mut self, planes: &Planes) -> Array2<f32> {
        match &mut self.planes {
            Some(all) => all.append(planes),
            None => self.planes = Some(planes.clone()),
        }
        self.advance(false)
    }

    /// Ends the image: the rest of the dense frames.
    pub fn finish(&mut self) -> Array2<f32> {
        self.advance(true)
    }

    fn advance(&mut self, last: bool) -> Array2<f32> {
        let Completion {
            network,
            planes,
            start,
            done,
            given,
        } = self;
        let planes = match planes {
            Some(planes) => planes,
            None => return Array2::zeros((0, 0)),
        };
        let bins = planes.bins();
        let end = *start + planes.frames();
        for (at, layer) in network.layers.iter().enumerate() {
            let (earlier, this) = done.split_at_mut(at);
            let this = &mut this[0];
            let ready = |source: &Source| match *source {
                Source::Plane(_) => end,
                Source::Layer(i) => earlier[usize::from(i)].end(),
            };
            let mut to = layer.sources.iter().map(ready).min().unwrap_or(end);
            if !last {
                to = to.saturating_sub(layer.half());
            }
            let skip = layer.skip.map(|i| &earlier[i]);
            if let Some(skip) = skip {
                to = to.min(skip.end());
            }
            let from = this.end();
            if to > from {
                let inputs: Vec<Input<'_>> = layer
                    .sources
                    .iter()
                    .map(|source| match *source {
                        Source::Plane(plane) => {
                            Input::plane(planes, *start, plane, &network.normalisation)
                        }
                        Source::Layer(i) => Input::Layer(&earlier[usize::from(i)]),
                    })
                    .collect();
                let fresh = layer.run(&inputs, skip, from..to, bins);
                this.append(fresh);
            }
        }
        // Interpolation looks one frame ahead, which the image's last frame cannot.
        let reach = usize::from(network.residual && network.upsampling > 1 && !last);
        let computed = done.last().map_or(end, Tensor::end);
        let to = computed.min(end.saturating_sub(reach)).max(*given);
        let out = network.dense(planes, *start, done.last(), *given..to);
        *given = to;

        // Forget what no layer, and no output to come, will read.
        let mut keep = to;
        for (at, layer) in network.layers.iter().enumerate() {
            if layer.sources.iter().any(|s| matches!(s, Source::Plane(_))) {
                keep = keep.min(done[at].end().saturating_sub(layer.half()));
            }
        }
        planes.drop_front(keep.saturating_sub(*start));
        *start = (*start).max(keep);
        for at in 0..done.len() {
            let mut keep = if at + 1 == done.len() {
                to
            } else {
                done[at].end()
            };
            for (reader, layer) in network.layers.iter().enumerate().skip(at + 1) {
                if reads(layer, at) {
                    keep = keep.min(done[reader].end().saturating_sub(layer.half()));
                }
            }
            done[at].drop_before(keep);
        }
        out
    }
}

fn reads(layer: &Prepared, at: usize) -> bool {
    layer.skip == Some(at) || layer.sources.contains(&Source::Layer(at as u8))
}

//! The second stage: from planes to the dense image (Spec §8.3, §8.4).

use crate::error::{Error, Result};
use crate::network::{self, Network};
use crate::planes::{PlaneRow, Planes};
use crate::quantise::levels;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use codec_format::header::Header;
use codec_format::memory::Memory;
use codec_format::model::Model;
use ndarray::Array2;

/// The network that completes a stream: the model the header names, or interpolation where there is none.
///
/// Preparing a model takes a while, so that several decoders may share it ([`Decoder::with_network`]).
///
/// # Errors
/// [`Error::Model`] if the model does not fit the header.
///
/// [`Decoder::with_network`]: super::Decoder::with_network
pub fn network(header: &Header, model: Option<&Model>) -> Result<Arc<Network>> {
    Ok(Arc::new(match model {
        Some(model) => Network::new(model, header)?,
        None => Network::interpolation(header),
    }))
}

/// Samples from one fine frame to the next of a stream that this network completes.
///
/// # Errors
/// [`Error::Model`] if the network makes more frames than the hop has room for.
pub fn synthesis_hop(header: &Header, network: &Network) -> Result<usize> {
    let (hop, up) = (usize::from(header.stft.hop), network.upsampling());
    if hop % up != 0 {
        return Err(Error::Model {
            what: "its frames do not divide the stream's hop",
        });
    }
    Ok(hop / up)
}

/// A network at work on one channel, frame by frame.
#[derive(Debug)]
pub(super) struct Completion<M: Memory> {
    network: Arc<Network>,
    running: network::Completion,
    ready: VecDeque<Vec<i16>>,
    dense: M::Of<i16>,
}

impl<M: Memory> Completion<M> {
    pub fn new(network: &Arc<Network>, bins: usize, memory: &mut M) -> Result<Self> {
        Ok(Completion {
            network: network.clone(),
            running: network::Completion::new(network.clone()),
            ready: VecDeque::new(),
            dense: memory.take(bins)?,
        })
    }
    pub fn reset(&mut self) {
        self.running = network::Completion::new(self.network.clone());
        self.ready.clear();
    }
    pub fn delay(&self) -> usize {
        self.network.context() + codec_format::model::BLOCK
    }
    pub fn push(&mut self, row: &PlaneRow<'_>) {
        let mut planes = Planes::zeros(1, row.image.len());
        planes.set(0, row);
        let dense = self.running.push(&planes);
        self.take(&dense);
    }
    pub fn finish(&mut self) {
        let dense = self.running.finish();
        self.take(&dense);
    }
    fn take(&mut self, dense: &Array2<f32>) {
        for row in dense.outer_iter() {
            let level = |x: &f32| levels::clamp(libm::floorf(16.0 * x + 0.5) as i32);
            self.ready.push_back(row.iter().map(level).collect());
        }
    }
    pub fn pop(&mut self) -> Option<&[i16]> {
        let row = self.ready.pop_front()?;
        self.dense.copy_from_slice(&row);
        Some(&self.dense)
    }
}

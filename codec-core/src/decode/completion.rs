//! The second stage: from planes to dense levels (Spec §8.3 to §8.10), by [`network::Completion`](crate::network::Completion).

use crate::error::{Error, Result};
use crate::network::Network;
use alloc::sync::Arc;
use codec_format::header::Header;
use codec_format::model::Model;

/// The network that completes a stream: the model the header names, or interpolation where there is none.
///
/// Preparing a model takes a while, so that several decoders may share it.
///
/// # Errors
/// [`Error::Model`] if the model does not fit the header.
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

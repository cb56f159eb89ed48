//! The second stage: from planes to the dense image (Spec §8.3, §8.4).

use super::planes::{Known, Laid, PlaneBuilder};
use crate::error::{Error, Result};
use crate::network::{self, Network};
use crate::transform::stft::Transform;
use alloc::sync::Arc;
use codec_format::header::Header;
use codec_format::model::Model;
use codec_format::symbols::SparseImage;
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

/// The transform of the synthesis grid of a stream that this network completes.
///
/// # Errors
/// [`Error::Settings`] if the transform is not supported or its frames are too dense, [`Error::Model`] if the network
/// makes more frames than the hop has room for.
pub fn synthesis(header: &Header, network: &Network) -> Result<Transform> {
    let (hop, up) = (usize::from(header.stft.hop), network.upsampling());
    if hop % up != 0 {
        return Err(Error::Model {
            what: "its frames do not divide the stream's hop",
        });
    }
    Transform::new(&header.stft, hop / up)
}

/// Completes one channel, however many frames arrive at a time.
#[derive(Debug, Clone)]
pub struct Completion(network::Completion);

impl Completion {
    /// Begins a channel.
    #[must_use]
    pub fn new(network: &Arc<Network>) -> Self {
        Completion(network::Completion::new(Arc::clone(network)))
    }

    /// Takes the next segment's planes and returns the dense frames that became final: fine frames x bins, in dB above
    /// the origin. They lag [`Network::context`] coded frames behind.
    pub fn push(&mut self, planes: &crate::planes::Planes) -> Array2<f32> {
        self.0.push(planes)
    }

    /// Ends the channel: the rest of the dense frames.
    pub fn finish(&mut self) -> Array2<f32> {
        self.0.finish()
    }
}

/// The first two stages in a row: symbols in, dense image out.
#[derive(Debug, Clone)]
pub struct Imaging {
    planes: PlaneBuilder,
    completion: Completion,
}

/// What [`Imaging`] has made of a segment.
#[derive(Debug, Clone, PartialEq)]
pub struct Imaged {
    /// What the stream says of the spectra of the segment that was laid out, if one was.
    pub known: Option<Known>,
    /// Dense frames that became final: fine frames x bins, in dB above the origin. They lag behind `known`.
    pub dense: Array2<f32>,
}

impl Imaging {
    /// Begins a channel of a stream with this header; `transform` is that of its synthesis grid.
    #[must_use]
    pub fn new(header: &Header, network: &Arc<Network>, transform: &Transform) -> Self {
        Imaging {
            planes: PlaneBuilder::new(header, transform),
            completion: Completion::new(network),
        }
    }

    /// Takes the symbols of the next segment.
    pub fn push(&mut self, image: SparseImage) -> Imaged {
        let laid = self.planes.push(image);
        self.complete(laid)
    }

    /// Takes the end of the channel: first its last segment, then the frames that waited for more.
    pub fn finish(&mut self) -> [Imaged; 2] {
        let laid = self.planes.finish();
        let last = self.complete(laid);
        let rest = Imaged {
            known: None,
            dense: self.completion.finish(),
        };
        [last, rest]
    }

    fn complete(&mut self, laid: Option<Laid>) -> Imaged {
        match laid {
            Some(Laid { planes, known }) => Imaged {
                known: Some(known),
                dense: self.completion.push(&planes),
            },
            None => Imaged {
                known: None,
                dense: Array2::zeros((0, 0)),
            },
        }
    }
}

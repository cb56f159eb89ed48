//! `--model`: the network to encode or decode with.

use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use codec_audio::file;
use codec_core::encode::Settings;
use sparc::plan::network_for;
use sparc::{Completion, Decoding, Network, Networks};
use std::path::Path;
use std::sync::Arc;

/// What `--model` says.
#[derive(Debug, Clone)]
pub enum Given {
    /// Nothing.
    Default,
    /// To do without.
    None,
    /// This one.
    File(Arc<Network>),
}

impl Given {
    /// How to decode with it.
    pub fn decoding(&self) -> Decoding {
        let networks = match self {
            Given::Default => Networks::default(),
            Given::None => Networks::none(),
            Given::File(network) => Networks::default().with(network.clone()),
        };
        Decoding {
            networks,
            ..Decoding::default()
        }
    }
}

impl From<Option<Arc<Network>>> for Given {
    /// The network that was encoded with.
    fn from(network: Option<Arc<Network>>) -> Self {
        network.map_or(Given::None, Given::File)
    }
}

/// The bytes of a file that should hold a network.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let bytes = file::bytes(path).map_err(|error| match Fault::from(error) {
        Fault::Input(what) => Fault::Model(what),
        other => other,
    });
    bytes.of(batch::name(path))
}

/// The bytes of a file that should hold weights, if there are not too many.
#[cfg(feature = "train")]
pub fn weights(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = codec_train::safetensors::most_bytes() as u64;
    if !file::is_pipe(path) {
        let found = std::fs::metadata(path)
            .map_err(|e| Fault::Model(file::reason(&e)).of(path.display()))?;
        if found.len() > most {
            let what = format!(
                "{} bytes are more than the {most} a model may have",
                found.len()
            );
            return Err(Fault::Limit(what).of(path.display()));
        }
    }
    bytes(path)
}

/// The built-in network of a name.
fn built_in(name: &Path) -> Option<Arc<Network>> {
    sparc::models::by_name(name.to_str()?)
}

/// What a `--model` argument names.
pub fn given(path: Option<&Path>) -> Result<Given, Failure> {
    match path {
        None => Ok(Given::Default),
        Some(path) if path.as_os_str() == "none" => Ok(Given::None),
        Some(path) if built_in(path).is_some() => Ok(built_in(path).into()),
        Some(path) => {
            let network = Network::read(&bytes(path)?).of(batch::name(path))?;
            Ok(Given::File(Arc::new(network)))
        }
    }
}

/// The network to encode with: the one given, which must fit, or a built-in one where it fits.
pub fn for_encoding(
    path: Option<&Path>,
    settings: &Settings,
) -> Result<Option<Arc<Network>>, Failure> {
    let completion = match given(path)? {
        Given::Default => Completion::BuiltIn,
        Given::None => Completion::Interpolation,
        Given::File(network) => Completion::Network(network),
    };
    network_for(&completion, settings).of(path.map_or_else(String::new, batch::name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use sparc::models;

    #[test]
    fn a_profile_gets_the_network_nearest_to_its_sparsity() {
        let chosen = |settings: &Settings| {
            let network = for_encoding(None, settings).unwrap()?;
            models::name_of(network.id)
        };
        assert_eq!(chosen(&Settings::speech()), Some("speech"));
        assert_eq!(chosen(&Settings::thesis(0.8)), Some("thesis-80"));
        assert_eq!(chosen(&Settings::thesis(0.91)), Some("thesis-90"));
        assert_eq!(chosen(&Settings::thesis(0.99)), Some("thesis-95"));
        let other = Settings {
            rate: 8_000,
            ..Settings::thesis(0.9)
        };
        assert_eq!(chosen(&other), None);
    }
}

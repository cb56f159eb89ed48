//! `--model`: the network to encode or decode with.

use crate::batch;
use crate::fault::{Failure, Fault, OfFile};
use codec_audio::file;
use codec_core::encode::{Policy, Settings};
use codec_format::model::Model;
use sparc::{models, Decoding, Network, Networks};
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

/// What a `--model` argument names.
pub fn given(path: Option<&Path>) -> Result<Given, Failure> {
    match path {
        None => Ok(Given::Default),
        Some(path) if path.as_os_str() == "none" => Ok(Given::None),
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
    match given(path)? {
        Given::None => Ok(None),
        Given::Default => Ok(default_for(settings)),
        Given::File(network) if fits(&network.model, settings) => Ok(Some(network)),
        Given::File(network) => {
            let Model { rate, stft, .. } = &network.model;
            let what = format!(
                "was made for {rate} Hz and windows of {} every {} samples, which is not what is to be coded",
                stft.n_fft, stft.hop
            );
            Err(Fault::Model(what).of(path.map_or_else(String::new, batch::name)))
        }
    }
}

/// The built-in network for these settings, if one fits: of several the one trained nearest to their sparsity.
fn default_for(settings: &Settings) -> Option<Arc<Network>> {
    let wanted = match &settings.policy {
        Policy::Uniform { sparsity, .. } | Policy::Energy { sparsity } => *sparsity,
        Policy::Explicit { mask, .. } => mask.count_zeros() as f32 / mask.len().max(1) as f32,
        Policy::Ridge { .. } => 1.0,
    };
    // Those of the thesis are named after their sparsity in per cent; another was trained at a range of them.
    let far = |name: &str| {
        let percent = name.strip_prefix("thesis-").and_then(|p| p.parse().ok());
        percent.map_or(0.0, |p: f32| (p / 100.0 - wanted).abs())
    };
    models::names()
        .into_iter()
        .filter_map(|name| Some((far(name), models::by_name(name)?)))
        .filter(|(_, network)| fits(&network.model, settings))
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, network)| network)
}

/// Whether a network was made for the grid of these settings.
fn fits(model: &Model, settings: &Settings) -> bool {
    model.stft == settings.stft && model.rate == settings.rate
}

#[cfg(test)]
mod tests {
    use super::*;

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

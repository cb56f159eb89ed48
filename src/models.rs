//! Completion networks: built in, from files, or within a stream.

use crate::error::{Error, Result};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
#[cfg(feature = "speech")]
use codec_core::encode::Policy;
use codec_core::encode::Settings;
use codec_format::header::ModelId;
use codec_format::model::Model;
use codec_format::Limits;

/// A network, its id, and the file it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    /// The first bytes of the file's hash: what a stream names it by (Spec §7.1).
    pub id: ModelId,
    /// What the file holds.
    pub model: Model,
    /// The file.
    pub file: Vec<u8>,
}

impl Network {
    /// Reads the bytes of a `.sparcmodel` file.
    ///
    /// # Errors
    /// [`Error::Model`] for bytes that are no usable model, [`Error::Limit`] for one that is too large.
    pub fn read(file: &[u8]) -> Result<Self> {
        let model = Model::read(file, &Limits::default()).map_err(|error| match error {
            codec_format::Error::LimitExceeded { .. } => Error::from(error),
            error => Error::Model(format!("is not a usable model: {error}")),
        })?;
        Ok(Network {
            id: ModelId::of(file),
            model,
            file: file.to_vec(),
        })
    }

    /// Whether it was made for the grid of these settings.
    #[must_use]
    pub fn fits(&self, settings: &Settings) -> bool {
        self.model.stft == settings.stft && self.model.rate == settings.rate
    }
}

/// The networks a decoder may use, and the order it looks for them: those given, the one within the stream, those built in.
///
/// [`Networks::default`] has those built in, and those that streams bring along.
#[derive(Debug, Clone, Default)]
pub struct Networks {
    given: Vec<Arc<Network>>,
    pub(crate) interpolate: bool,
}

impl Networks {
    /// With another network at hand.
    #[must_use]
    pub fn with(mut self, network: Arc<Network>) -> Self {
        self.given.push(network);
        self
    }

    /// None at all: images are completed by interpolation, whatever the stream asks for.
    #[must_use]
    pub fn none() -> Self {
        Networks {
            given: Vec::new(),
            interpolate: true,
        }
    }

    /// The network of an id, if it is at hand.
    pub(crate) fn find(
        &self,
        id: ModelId,
        embedded: Option<&Arc<Network>>,
    ) -> Option<Arc<Network>> {
        let of_id = |network: &&Arc<Network>| network.id == id;
        let found = self.given.iter().chain(embedded).find(of_id).cloned();
        found.or_else(|| by_id(id))
    }
}

/// A network that is part of this crate.
#[cfg(feature = "speech")]
struct BuiltIn {
    name: &'static str,
    file: &'static [u8],
    /// The sparsity it was trained at; none for a range of them.
    sparsity: Option<f32>,
}

#[cfg(feature = "speech")]
macro_rules! built_in {
    ($($name:literal $sparsity:expr),*) => {
        [$(BuiltIn {
            name: $name,
            file: include_bytes!(concat!("../models/", $name, ".sparcmodel")),
            sparsity: $sparsity,
        }),*]
    };
}

/// The speech networks, the one to take unless told otherwise first, and the thesis' for its four sparsities.
#[cfg(feature = "networks")]
static BUILT_IN: [BuiltIn; 6] = built_in!(
    "speech" None, "speech-lite" None,
    "thesis-80" Some(0.80), "thesis-85" Some(0.85), "thesis-90" Some(0.90), "thesis-95" Some(0.95)
);
#[cfg(all(feature = "speech", not(feature = "networks")))]
static BUILT_IN: [BuiltIn; 2] = built_in!("speech" None, "speech-lite" None);

/// What the files say, each read when first asked for.
#[cfg(all(feature = "speech", feature = "std"))]
static LOADED: [std::sync::OnceLock<Option<Arc<Network>>>; BUILT_IN.len()] =
    [const { std::sync::OnceLock::new() }; BUILT_IN.len()];

#[cfg(all(feature = "speech", feature = "std"))]
fn load(at: usize) -> Option<Arc<Network>> {
    let read = || Network::read(BUILT_IN[at].file).ok().map(Arc::new);
    LOADED[at].get_or_init(read).clone()
}

#[cfg(all(feature = "speech", not(feature = "std")))]
fn load(at: usize) -> Option<Arc<Network>> {
    Network::read(BUILT_IN[at].file).ok().map(Arc::new)
}

/// Names of the built-in networks: those of their files in `models`, without the extension. None without the features
/// `networks` and `speech`.
#[must_use]
pub fn names() -> Vec<&'static str> {
    #[cfg(feature = "speech")]
    return BUILT_IN.iter().map(|built_in| built_in.name).collect();
    #[cfg(not(feature = "speech"))]
    Vec::new()
}

/// The built-in network of a name.
#[must_use]
pub fn by_name(name: &str) -> Option<Arc<Network>> {
    #[cfg(feature = "speech")]
    return load(BUILT_IN.iter().position(|built_in| built_in.name == name)?);
    #[cfg(not(feature = "speech"))]
    {
        let _ = name;
        None
    }
}

/// The built-in network of an id.
#[must_use]
pub fn by_id(id: ModelId) -> Option<Arc<Network>> {
    names()
        .into_iter()
        .filter_map(by_name)
        .find(|network| network.id == id)
}

/// The name of the built-in network of an id.
#[must_use]
pub fn name_of(id: ModelId) -> Option<&'static str> {
    names()
        .into_iter()
        .find(|name| by_name(name).is_some_and(|network| network.id == id))
}

/// The built-in network that fits these settings: of several the one trained nearest to their sparsity.
pub(crate) fn built_in_for(settings: &Settings) -> Option<Arc<Network>> {
    #[cfg(feature = "speech")]
    {
        let wanted = match &settings.policy {
            Policy::Uniform { sparsity, .. } | Policy::Energy { sparsity } => *sparsity,
            Policy::Explicit { mask, .. } => mask.count_zeros() as f32 / mask.len().max(1) as f32,
            Policy::Ridge { .. } => 1.0,
        };
        let far = |at: usize| {
            BUILT_IN[at]
                .sparsity
                .map_or(0.0, |s: f32| (s - wanted).abs())
        };
        (0..BUILT_IN.len())
            .filter_map(|at| Some((at, load(at)?)))
            .filter(|(_, network)| network.fits(settings))
            .min_by(|a, b| far(a.0).total_cmp(&far(b.0)))
            .map(|(_, network)| network)
    }
    #[cfg(not(feature = "speech"))]
    {
        let _ = settings;
        None
    }
}

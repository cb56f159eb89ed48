//! Completion networks: built in, from a file, or within a stream.

use crate::batch;
use crate::coding::is_none;
use crate::fault::{Failure, Fault};
use codec_audio::file as read;
use codec_core::encode::{Policy, Settings};
use codec_format::header::ModelId;
use codec_format::model::Model;
use codec_format::{model_file, Limits};
use std::path::Path;
use std::sync::OnceLock;

/// A network that is part of the command.
struct BuiltIn {
    name: &'static str,
    file: &'static [u8],
    /// The sparsity it was trained at; none for a range of them.
    sparsity: Option<f32>,
    /// What the file says, read when first asked for.
    loaded: OnceLock<Option<Loaded>>,
}

impl BuiltIn {
    fn loaded(&self) -> Option<&Loaded> {
        let load = || parse(self.file.to_vec()).ok();
        self.loaded.get_or_init(load).as_ref()
    }
}

const fn thesis(name: &'static str, file: &'static [u8], sparsity: f32) -> BuiltIn {
    BuiltIn {
        name,
        file,
        sparsity: Some(sparsity),
        loaded: OnceLock::new(),
    }
}

/// The default speech network, and the thesis' for its four sparsities.
static BUILT_IN: [BuiltIn; 5] = [
    BuiltIn {
        name: "speech",
        file: include_bytes!("../../models/speech.sparcmodel"),
        sparsity: None,
        loaded: OnceLock::new(),
    },
    thesis(
        "thesis-80",
        include_bytes!("../../models/thesis-80.sparcmodel"),
        0.80,
    ),
    thesis(
        "thesis-85",
        include_bytes!("../../models/thesis-85.sparcmodel"),
        0.85,
    ),
    thesis(
        "thesis-90",
        include_bytes!("../../models/thesis-90.sparcmodel"),
        0.90,
    ),
    thesis(
        "thesis-95",
        include_bytes!("../../models/thesis-95.sparcmodel"),
        0.95,
    ),
];

/// A model, its id, and the file it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub model: Model,
    pub id: ModelId,
    pub file: Vec<u8>,
}

/// What `--model` says.
#[derive(Debug, Clone)]
pub enum Given {
    /// Nothing.
    Default,
    /// To do without.
    None,
    /// This one.
    File(Box<Loaded>),
}

/// Reads a model file's bytes.
pub fn parse(file: Vec<u8>) -> Result<Loaded, Fault> {
    let model = model_file::read(&file, &Limits::default()).map_err(|e| match e {
        codec_format::Error::LimitExceeded { .. } => Fault::from(e),
        e => Fault::Model(format!("is not a usable model: {e}")),
    })?;
    Ok(Loaded {
        model,
        id: model_file::model_id(&file),
        file,
    })
}

/// The built-in models, each read as the iterator comes to it.
fn built_in() -> impl Iterator<Item = (&'static Loaded, &'static BuiltIn)> {
    BUILT_IN.iter().filter_map(|b| Some((b.loaded()?, b)))
}

/// The built-in model of a name: that of its file in `models`, without the extension.
#[cfg(feature = "train")]
pub fn by_name(name: &str) -> Option<&'static Loaded> {
    BUILT_IN.iter().find(|b| b.name == name)?.loaded()
}

/// The name of the built-in model of an id.
pub fn name_of(id: ModelId) -> Option<&'static str> {
    built_in()
        .find(|(loaded, _)| loaded.id == id)
        .map(|(_, b)| b.name)
}

/// The built-in model of an id.
pub fn by_id(id: ModelId) -> Option<&'static Loaded> {
    built_in()
        .map(|(loaded, _)| loaded)
        .find(|loaded| loaded.id == id)
}

/// The built-in model for these settings, if one fits: of several the one trained nearest to their sparsity.
fn default_for(settings: &Settings) -> Option<&'static Loaded> {
    let wanted = match &settings.policy {
        Policy::Uniform { sparsity, .. } | Policy::Energy { sparsity } => *sparsity,
        Policy::Explicit { mask, .. } => mask.count_zeros() as f32 / mask.len().max(1) as f32,
        Policy::Ridge { .. } => 1.0,
    };
    let far = |b: &BuiltIn| b.sparsity.map_or(0.0, |s| (s - wanted).abs());
    built_in()
        .filter(|(loaded, _)| fits(&loaded.model, settings))
        .min_by(|a, b| far(a.1).total_cmp(&far(b.1)))
        .map(|(loaded, _)| loaded)
}

/// Whether a model was made for the grid of these settings.
fn fits(model: &Model, settings: &Settings) -> bool {
    model.stft == settings.stft && model.rate == settings.rate
}

/// What a `--model` argument names.
pub fn given(path: Option<&Path>) -> Result<Given, Failure> {
    match path {
        None => Ok(Given::Default),
        Some(path) if is_none(path) => Ok(Given::None),
        Some(path) => {
            let bytes = read::bytes(path).map_err(|error| match Fault::from(error) {
                Fault::Input(what) => Fault::Model(what),
                other => other,
            });
            let loaded = bytes
                .and_then(parse)
                .map_err(|fault| fault.of(batch::name(path)))?;
            Ok(Given::File(Box::new(loaded)))
        }
    }
}

/// The model to encode with: the one given, which must fit, or a built-in one where it fits.
pub fn for_encoding(path: Option<&Path>, settings: &Settings) -> Result<Option<Loaded>, Failure> {
    match given(path)? {
        Given::None => Ok(None),
        Given::Default => Ok(default_for(settings).cloned()),
        Given::File(loaded) if fits(&loaded.model, settings) => Ok(Some(*loaded)),
        Given::File(loaded) => {
            let stft = loaded.model.stft;
            let what = format!(
                "was made for {} Hz and windows of {} every {} samples, which is not what is to be coded",
                loaded.model.rate, stft.n_fft, stft.hop
            );
            Err(Fault::Model(what).of(path.map_or_else(String::new, batch::name)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_models_are_sound_and_found_by_their_ids() {
        assert_eq!(built_in().count(), BUILT_IN.len());
        for (loaded, _) in built_in() {
            assert_eq!(by_id(loaded.id), Some(loaded));
        }
    }

    #[test]
    fn a_profile_gets_the_model_nearest_to_its_sparsity() {
        let chosen = |settings: &Settings| for_encoding(None, settings).unwrap().map(|l| l.file);
        let built = |at: usize| Some(BUILT_IN[at].file.to_vec());
        assert_eq!(chosen(&Settings::speech()), built(0));
        assert_eq!(chosen(&Settings::thesis(0.8)), built(1));
        assert_eq!(chosen(&Settings::thesis(0.91)), built(3));
        assert_eq!(chosen(&Settings::thesis(0.99)), built(4));
        let other = Settings {
            rate: 8_000,
            ..Settings::thesis(0.9)
        };
        assert_eq!(chosen(&other), None);
    }

    #[test]
    fn a_damaged_model_is_refused() {
        let speech = BUILT_IN[0].file;
        for bad in [&b""[..], b"text", &speech[..speech.len() / 2]] {
            assert!(matches!(parse(bad.to_vec()), Err(Fault::Model(_))));
        }
    }
}

//! Completion networks: built in, from a file, or within a stream.

use crate::audio::read;
use crate::batch;
use crate::coding::is_none;
use crate::fault::{Failure, Fault};
use codec_core::settings::Settings;
use codec_format::header::ModelId;
use codec_format::model::Model;
use codec_format::{model_file, Limits};
use std::path::Path;
use std::sync::OnceLock;

/// The default speech network.
const SPEECH: &[u8] = include_bytes!("../models/speech.sparcmodel");

/// A model, its id, and the file it came from.
#[derive(Debug, Clone)]
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

/// The built-in model.
pub fn built_in() -> Option<&'static Loaded> {
    static LOADED: OnceLock<Option<Loaded>> = OnceLock::new();
    LOADED.get_or_init(|| parse(SPEECH.to_vec()).ok()).as_ref()
}

/// What a `--model` argument names.
pub fn given(path: Option<&Path>) -> Result<Given, Failure> {
    match path {
        None => Ok(Given::Default),
        Some(path) if is_none(path) => Ok(Given::None),
        Some(path) => {
            let bytes = read::bytes(path).map_err(|fault| match fault {
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

/// The model to encode with: the one given, which must fit, or the built-in one where it fits.
pub fn for_encoding(path: Option<&Path>, settings: &Settings) -> Result<Option<Loaded>, Failure> {
    let fits = |model: &Model| model.stft == settings.stft && model.rate == settings.rate;
    match given(path)? {
        Given::None => Ok(None),
        Given::Default => Ok(built_in().filter(|loaded| fits(&loaded.model)).cloned()),
        Given::File(loaded) if fits(&loaded.model) => Ok(Some(*loaded)),
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
    fn the_built_in_model_is_sound_and_fits_the_speech_profile() {
        let loaded = parse(SPEECH.to_vec()).expect("a sound model file");
        assert_eq!(built_in().map(|l| l.id), Some(loaded.id));
        assert!(for_encoding(None, &Settings::speech()).unwrap().is_some());
        assert!(for_encoding(None, &Settings::thesis(0.9))
            .unwrap()
            .is_none());
    }

    #[test]
    fn a_damaged_model_is_refused() {
        for bad in [&b""[..], b"text", &SPEECH[..SPEECH.len() / 2]] {
            assert!(matches!(parse(bad.to_vec()), Err(Fault::Model(_))));
        }
    }
}

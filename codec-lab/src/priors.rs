//! The entropy coder's priors from real speech: folders of clips, coded at varied settings, counted.

use codec_core::encode::profile::{ridge, waveform};
use codec_core::encode::{Analysis, Clip, Settings, Target};
use codec_format::header::{LatticeShape, Signal};
use codec_format::train::PriorTrainer;
use codec_train::data::Corpus;
use codec_train::{Error, Result};
use rayon::prelude::*;
use std::path::PathBuf;

/// Ridge margins, value steps (1/8 dB), lattice bands and coefficients of the waveform layer the clips are coded with
/// in turn: about 2.5 to 12 kbit/s, the lower rates more often as they are where priors matter.
const SETTINGS: [(f32, u8, u8, u8); 8] = [
    (26.0, 48, 14, 0),
    (21.0, 48, 14, 0),
    (17.0, 48, 14, 0),
    (13.0, 48, 20, 0),
    (14.0, 48, 20, 16),
    (11.0, 48, 20, 16),
    (8.0, 48, 20, 20),
    (4.0, 48, 26, 24),
];

/// A table of priors and what it was made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Priors {
    /// Contents for `codec-format/src/entropy/priors.bin`.
    pub table: Vec<u8>,
    /// Clips used.
    pub clips: usize,
    /// Segments counted.
    pub segments: usize,
    /// SHA-256 of the clips, as [`Corpus::hash`].
    pub hash: String,
}

/// Makes priors for the speech profile from the clips in `folders`, each coded with `per_clip` of eight
/// settings in turn (at least one, at most all).
///
/// # Errors
/// As [`Corpus::load`]; [`Error::Core`] or [`Error::Format`] if a clip cannot be coded.
pub fn train(folders: &[PathBuf], per_clip: usize) -> Result<Priors> {
    let speech = Settings::speech();
    let corpus = Corpus::load(folders, speech.rate, 0.3)?;
    let per_clip = per_clip.clamp(1, SETTINGS.len());
    let streams: Vec<_> = corpus
        .clips
        .par_iter()
        .enumerate()
        .map(|(i, clip)| {
            // With the most coefficients any of the settings has.
            let most = Settings {
                waveform: waveform(SETTINGS.iter().map(|s| s.3).max().unwrap_or(0)),
                ..speech.clone()
            };
            let clip = Clip {
                channels: std::slice::from_ref(&clip.pcm),
                source: Signal {
                    rate: speech.rate,
                    channels: 1,
                },
                total_samples: clip.pcm.len() as u64,
            };
            let analysis = Analysis::of(&clip, &most)?;
            (0..per_clip)
                .map(|n| {
                    let (margin, step, bands, coefficients) =
                        SETTINGS[(i * per_clip + n) % SETTINGS.len()];
                    let settings = Settings {
                        step,
                        policy: ridge(margin),
                        lattice: Some(LatticeShape {
                            bands,
                            every: 2,
                            step: 32,
                        }),
                        waveform: waveform(coefficients),
                        ..speech.clone()
                    };
                    Ok(analysis.encode(Target::Settings, &settings, None)?)
                })
                .collect::<Result<Vec<_>>>()
        })
        .collect::<Result<_>>()?;
    let mut trainer = PriorTrainer::new();
    let mut segments = 0;
    for stream in streams.into_iter().flatten() {
        segments += stream.segments.len();
        trainer
            .push(&stream.header, stream.segments)
            .map_err(Error::Format)?;
    }
    Ok(Priors {
        table: trainer.finish()?,
        clips: corpus.clips.len(),
        segments,
        hash: corpus.hash,
    })
}

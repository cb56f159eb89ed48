//! The entropy coder's priors from real speech: folders of clips, coded at varied settings, counted.

use crate::data::Corpus;
use crate::error::{Error, Result};
use codec_core::analysis::Analysis;
use codec_core::encoder::encode_analysis;
use codec_core::settings::{Policy, Settings};
use codec_format::header::{LatticeShape, Signal};
use codec_format::train::PriorTrainer;
use rayon::prelude::*;
use std::path::PathBuf;

/// Ridge margins, value steps (1/8 dB) and lattice bands the clips are coded with in turn: about 2 to 12 % of
/// the pixels kept, the coarser settings more often as they are where priors matter.
const SETTINGS: [(f32, u8, u8); 8] = [
    (28.0, 48, 14),
    (25.0, 48, 14),
    (22.0, 48, 14),
    (19.0, 48, 20),
    (16.0, 48, 20),
    (25.0, 32, 14),
    (20.0, 32, 20),
    (14.0, 40, 20),
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
            let analysis = Analysis::of(std::slice::from_ref(&clip.pcm), &speech)?;
            let source = Signal {
                rate: speech.rate,
                channels: 1,
            };
            (0..per_clip)
                .map(|n| {
                    let (margin, step, bands) = SETTINGS[(i * per_clip + n) % SETTINGS.len()];
                    let settings = Settings {
                        step,
                        policy: Policy::Ridge {
                            margin,
                            threshold_step: 16,
                        },
                        lattice: Some(LatticeShape {
                            bands,
                            every: 2,
                            step: 32,
                        }),
                        ..speech.clone()
                    };
                    Ok(encode_analysis(
                        &analysis,
                        source,
                        clip.pcm.len() as u64,
                        &settings,
                        None,
                    )?)
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

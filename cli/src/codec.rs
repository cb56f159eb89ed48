//! From clips to the bytes of a `.sparc` file.

use crate::fault::Fault;
use crate::progress::Progress;
use codec_audio::{resample, Pcm};
use codec_core::encode::{encode_with, Candidate, Settings, Target};
use codec_format::header::Signal;
use codec_format::Limits;
use rayon::prelude::*;
use sparc::Network;

/// Thousand bits a second of `bytes` bytes over `seconds` seconds.
pub fn kilobits(bytes: usize, seconds: f64) -> f64 {
    bytes as f64 * 8.0 / seconds.max(1e-9) / 1000.0
}

/// An encoded clip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coded {
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Segments that the rate left without all of their background.
    pub starved: u32,
}

impl Coded {
    /// Warns of what the rate did to the clip `name`, if it did anything.
    pub fn warn(&self, name: &str, progress: &Progress) {
        if self.starved > 0 {
            progress.warn(&format!(
                "sparc: warning: {name}: {} segments take more than their share even without ridges; their \
                 background is held or silent",
                self.starved
            ));
        }
    }
}

/// Encodes a clip of any rate to a whole file, with the one of `candidates` whose sound comes nearest; they are tried on
/// all cores. `strict` refuses a clip that takes more than the bitrate, being very short.
pub fn encode(
    clip: &Pcm,
    candidates: &[Settings],
    target: Target,
    strict: bool,
    model: Option<&Network>,
    embed: bool,
) -> Result<Coded, Fault> {
    let Some(settings) = candidates.first() else {
        return Err(Fault::Other("no settings to encode with".into()));
    };
    let limit = Limits::default().channels;
    let channels = u8::try_from(clip.channels.len())
        .ok()
        .filter(|&channels| channels <= limit)
        .ok_or_else(|| {
            Fault::Limit(format!(
                "has {} channels; at most {limit} are taken",
                clip.channels.len()
            ))
        })?;
    let total = clip.len() as u64;
    let wanted = resample::length(total, clip.rate, settings.rate) as usize;
    let pcm = clip
        .channels
        .iter()
        .map(|channel| resample::channel(channel, clip.rate, settings.rate, wanted))
        .collect::<Result<Vec<_>, _>>()?;
    let coded = codec_core::encode::Clip {
        channels: &pcm,
        source: Signal {
            rate: clip.rate,
            channels,
        },
        total_samples: total,
    };
    let candidate = |settings: &Settings| Candidate {
        settings: settings.clone(),
        model: model.map(|loaded| (loaded.id, &loaded.model)),
    };
    let candidates: Vec<_> = candidates.iter().map(candidate).collect();
    let encoding = encode_with(&coded, target, &candidates, |count, run| {
        (0..count).into_par_iter().map(run).collect()
    })?;
    if let (true, Target::Bitrate(bitrate), false) = (strict, target, encoding.met) {
        let least = (encoding.bytes() as f64 * 8.0 / clip.seconds()).ceil();
        return Err(Fault::Arguments(format!(
            "{bitrate} bit/s are too few: this clip takes at least {least}"
        )));
    }
    // An embedded model comes on top: it is a constant that no choice of pixels can make up for.
    let embedded = model.filter(|_| embed).map(|loaded| &loaded.file[..]);
    Ok(Coded {
        bytes: encoding.file(embedded)?,
        starved: encoding.starved,
    })
}

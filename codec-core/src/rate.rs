//! Encoding to a rate: the finest settings whose whole file fits.

use crate::analysis::Analysis;
use crate::encoder::{encode_analysis, Encoded};
use crate::error::{Error, Result};
use crate::settings::{Policy, Settings};
use alloc::vec::Vec;
use codec_format::header::{LatticeShape, ModelId, Signal};
use codec_format::limits::Limits;
use codec_format::writer::StreamWriter;

/// Ridge margins searched, dB: from nearly every audible pixel to none.
const MARGINS: (f32, f32) = (-10.0, 60.0);
/// Halvings of that range: down to a hundredth of a dB, less than it takes to change a mask.
const HALVINGS: usize = 13;

/// A clip encoded to a rate.
#[derive(Debug, Clone, PartialEq)]
pub struct Fitted {
    /// The symbols.
    pub encoded: Encoded,
    /// Bytes of the whole file: header, chunks and symbols, without metadata or an embedded model.
    pub bytes: u64,
    /// Whether these are at most what was asked for; otherwise they are the least this clip takes.
    pub fits: bool,
}

/// The speech profile for a rate in bits a second and channel: a lattice of 14 bands, of 20 above 5500
/// (`docs/rate-distortion.md` has what was measured).
#[must_use]
pub fn speech_settings(bits_per_second: u32) -> Settings {
    let mut settings = Settings::speech();
    if bits_per_second > 5_500 {
        settings.lattice = Some(LatticeShape {
            bands: 20,
            every: 2,
            step: 32,
        });
    }
    settings
}

/// Bytes of the file that holds these symbols, without metadata or an embedded model.
///
/// # Errors
/// [`Error::Format`] if the symbols are not what their header says.
pub fn file_bytes(encoded: &Encoded) -> Result<u64> {
    let mut out = Vec::new();
    let mut writer = StreamWriter::new(&encoded.header, &Limits::default(), &mut out)?;
    for segment in &encoded.segments {
        writer.segment(segment, &mut out)?;
        out.clear();
    }
    Ok(writer.finish(encoded.header.total_samples.unwrap_or(0), &mut out)?)
}

/// Encodes a clip with the ridge margin that comes closest to `bits_per_second` from below, counting every
/// byte of the file. Where even an empty mask is too much, the lattice is thinned.
///
/// # Errors
/// As [`crate::encoder::encode`]; [`Error::Settings`] if the policy is not the ridge one.
pub fn encode_to_bitrate(
    channels: &[Vec<f32>],
    source: Signal,
    total_samples: u64,
    bits_per_second: u32,
    settings: &Settings,
    model: Option<ModelId>,
) -> Result<Fitted> {
    let analysis = Analysis::of(channels, settings)?;
    let budget = (u128::from(total_samples) * u128::from(bits_per_second)
        / (8 * u128::from(source.rate.max(1)))) as u64;
    let mut settings = settings.clone();
    loop {
        let search = Search {
            analysis: &analysis,
            source,
            total_samples,
            model,
        };
        let coarsest = search.at(&settings, MARGINS.1)?;
        if coarsest.1 <= budget {
            return search.closest(&settings, budget, coarsest);
        }
        // Fewer bands, then fewer steps in time.
        match &mut settings.lattice {
            Some(lattice) if lattice.bands > 8 => lattice.bands = 8.max(lattice.bands * 2 / 3),
            Some(lattice) if lattice.every < 8 => lattice.every *= 2,
            _ => {
                return Ok(Fitted {
                    encoded: coarsest.0,
                    bytes: coarsest.1,
                    fits: false,
                })
            }
        }
    }
}

struct Search<'a> {
    analysis: &'a Analysis,
    source: Signal,
    total_samples: u64,
    model: Option<ModelId>,
}

impl Search<'_> {
    fn at(&self, settings: &Settings, margin: f32) -> Result<(Encoded, u64)> {
        let mut settings = settings.clone();
        match &mut settings.policy {
            Policy::Ridge { margin: m, .. } => *m = margin,
            _ => {
                return Err(Error::Settings {
                    what: "a bitrate needs the ridge policy",
                })
            }
        }
        let encoded = encode_analysis(
            self.analysis,
            self.source,
            self.total_samples,
            &settings,
            self.model,
        )?;
        let bytes = file_bytes(&encoded)?;
        Ok((encoded, bytes))
    }

    /// Bisects for the smallest margin that fits; `best` fits at the largest.
    fn closest(
        &self,
        settings: &Settings,
        budget: u64,
        mut best: (Encoded, u64),
    ) -> Result<Fitted> {
        let (mut low, mut high) = MARGINS;
        for _ in 0..HALVINGS {
            let margin = 0.5 * (low + high);
            let this = self.at(settings, margin)?;
            if this.1 <= budget {
                high = margin;
                best = this;
            } else {
                low = margin;
            }
        }
        Ok(Fitted {
            encoded: best.0,
            bytes: best.1,
            fits: true,
        })
    }
}
